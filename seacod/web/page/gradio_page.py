"""Gradio at work, in a process that ends when the page is drawn.

`python -m seacod.web.page.gradio_page` is started by `drawing.py` only. Gradio takes three seconds
to import: that is done while the model loads elsewhere. Then what the page is drawn for is read
from standard input, and what is to be served goes to standard output, both as JSON. Gradio declares
and themes the page; no function of its is used, and nothing of it is left where people are served.
"""

from __future__ import annotations

import json
import os
import sys

from fastapi import FastAPI

from seacod import __version__
from seacod.web.page import assets, document, texts
from seacod.web.page.gradio_lean import gradio as gr
from seacod.web.page.gradio_lean import only_mounted
from seacod.web.page.shown import ShownModel, Site
from seacod.web.page.tabs.registry import all_tabs


def drawn(site: Site, model: ShownModel) -> dict[str, str]:
    """The document, and the style sheet of the theme.

    Args:
        site: how the page is reached.
        model: what it says of the model.
    """
    with only_mounted(), gr.Blocks(analytics_enabled=False, title="seacod 语音识别") as demo:
        gr.HTML(_header(site, model))
        with gr.Tabs(elem_id="sc-tabs"):
            for tab in all_tabs():
                with gr.Tab(tab.name, id=tab.name):
                    gr.HTML(tab.skeleton(model))
        gr.HTML(_footer(site))
    # It is never asked anything; mounting is what makes the theme's style sheet.
    gr.mount_gradio_app(
        FastAPI(), demo, path="/", ssr_mode=False, run_history=False, footer_links=[],
        theme=_theme(),
    )  # fmt: skip
    return {"document": document.drawn(demo, site), "theme": demo.theme_css}


def main() -> None:
    """Import, read, draw, write."""
    answer = os.dup(1)
    # A library that prints does so into the log.
    os.dup2(2, 1)
    given = sys.stdin.buffer.read()
    if not given:
        # Nobody wants it any more.
        return
    asked = json.loads(given)
    told = drawn(Site(**asked["site"]), ShownModel(**asked["model"]))
    with open(answer, "w", encoding="utf-8") as out:
        # On a line of its own, which is the last one.
        print("", json.dumps(told, ensure_ascii=False), sep="\n", file=out)


def _theme() -> gr.themes.Base:
    """Gradio's default with the system's fonts: nothing is loaded from elsewhere."""
    sans = ["system-ui", "PingFang SC", "Microsoft YaHei", "Noto Sans CJK SC", "sans-serif"]
    mono = ["ui-monospace", "Consolas", "monospace"]
    return gr.themes.Default(
        primary_hue=gr.themes.colors.teal, neutral_hue=gr.themes.colors.slate,
        font=sans, font_mono=mono,
    )  # fmt: skip


def _header(site: Site, model: ShownModel) -> str:
    banner = logout = ""
    if site.has_logins:
        logout = (
            f'<form method="post" action="{site.root_path}/logout">'
            f'<button id="sc-logout">{texts.both("logout")}</button></form>'
        )
    if model.is_builtin:
        text = texts.both("banner_builtin", characters=model.characters)
        banner = f'<div class="sc-note" role="note">{text}</div>'
    return (
        '<div id="sc-connection" class="sc-connection" role="status" aria-live="polite" hidden>'
        "</div>"
        '<header class="sc-header">'
        f"<div><h1>{texts.both('title')}</h1><p>{texts.both('subtitle')}</p></div>"
        '<div class="sc-switches">'
        f'<button type="button" id="sc-language" data-title="switch_language">'
        '<span class="only-zh" lang="en">English</span><span class="only-en" lang="zh">中文</span>'
        "</button>"
        '<button type="button" id="sc-colours" data-label="switch_colours">'
        '<svg viewBox="0 0 20 20" aria-hidden="true"><circle cx="10" cy="10" r="7"/>'
        '<path d="M10 3a7 7 0 0 1 0 14z"/></svg></button>'
        f"{logout}"
        f"</div></header>{banner}"
    )


def _footer(site: Site) -> str:
    root = site.root_path
    return (
        f'<footer class="sc-footer">seacod {__version__} · '
        f'<a href="{root}/ui/{assets.mark()}/help.html">{texts.both("footer_help")}</a> · '
        f'<a href="{root}/docs">{texts.both("footer_api")}</a></footer>'
    )


if __name__ == "__main__":
    main()
