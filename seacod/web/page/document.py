"""The page as one HTML document, written on the server: what Gradio's Blocks declare, with the
theme that Gradio makes, and nothing that comes later and moves it.

Gradio's own client draws the same parts in the browser, from a megabyte of scripts and after the
page was there already. `gradio_page.py` calls this; it knows three components, those the page is
made of.
"""

from __future__ import annotations

import json
from html import escape
from typing import Any

from seacod.formats import registry
from seacod.web.page import assets, texts
from seacod.web.page.gradio_lean import gradio as gr
from seacod.web.page.shown import Site
from seacod.web.page.tabs.registry import all_tabs


def drawn(demo: gr.Blocks, site: Site) -> str:
    """The document.

    Args:
        demo: the page as it was declared, mounted, so that its theme is known.
        site: how it is reached, and by whom.
    """
    setup = f"window.seacodSetup = {_given(site)};"
    early = (assets.directory() / "early.js").read_text("utf-8")
    return _HTML.format(
        version=escape(gr.__version__),
        theme=f"{site.root_path}/theme.css?v={str(demo.theme_hash)[:12]}",
        ours=_ours(site),
        style=_front(),
        title=escape(f"{texts.text('zh', 'title')} · {texts.text('en', 'title')} · seacod"),
        noscript=texts.both("noscript"),
        setup=setup,
        early=early,
        late=_LATE,
        parts="".join(_part(one) for one in demo.children),
    )


_LATE = "window.seacodAttributes(document);"
_HTML = """<!doctype html>
<html lang="zh-CN">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="generator" content="Gradio {version}">
<meta name="color-scheme" content="light dark">
<title>{title}</title>
<link rel="icon" href="{ours}/favicon.svg" type="image/svg+xml">
<link rel="stylesheet" href="{theme}">
<link rel="stylesheet" href="{ours}/page.css">
<style>{style}</style>
<script type="module" src="{ours}/main.js"></script>
</head>
<body>
<script>{setup}</script>
<script>{early}</script>
<div class="gradio-container">
<noscript><p class="sc-note">{noscript}</p></noscript>
{parts}
</div>
<div id="sc-said" class="sc-unseen" role="status" aria-live="polite"></div>
<script>{late}</script>
</body>
</html>
"""


def _ours(site: Site) -> str:
    return f"{site.root_path}/ui/{assets.mark()}"


def _part(part: Any) -> str:
    """A component of Gradio's, as HTML.

    Raises:
        TypeError: it is none of those that are drawn on the server.
    """
    if isinstance(part, gr.HTML):
        return str(part.value)
    if isinstance(part, gr.Tabs):
        return _tabs(part)
    raise TypeError(f"{type(part).__name__} is not drawn on the server (web/page/document.py)")


def _tabs(tabs: gr.Tabs) -> str:
    buttons, panels = [], []
    for number, tab in enumerate(tabs.children):
        name = escape(str(tab.id))
        buttons.append(
            f'<button type="button" role="tab" id="sc-tab-of-{name}" aria-controls="sc-tab-{name}" '
            f'aria-selected="{str(number == 0).lower()}" tabindex="{min(number, 1) * -1}" '
            f'data-tab="{name}">{texts.both(f"tab_{name}")}</button>'
        )
        inside = "".join(_part(one) for one in tab.children)
        panels.append(
            f'<section role="tabpanel" id="sc-tab-{name}" aria-labelledby="sc-tab-of-{name}">'
            f"{inside}</section>"
        )
    return (
        f'<main id="{tabs.elem_id}"><div role="tablist" data-label="tabs">{"".join(buttons)}</div>'
        f"{''.join(panels)}</main>"
    )


def _front() -> str:
    """Which tab is seen, without waiting for a script: `early.js` writes it at the root."""
    names = [tab.name for tab in all_tabs()]
    seen = ",".join(f"[data-tab={name}] #sc-tab-{name}" for name in names)
    first = f"html:not([data-tab]) #sc-tab-{names[0]}"
    return f"[role=tabpanel]{{display:none}}{seen},{first}{{display:block}}"


def _given(site: Site) -> str:
    """The facts that our scripts need, as a script's text."""
    setup = {
        "texts": texts.all_texts(),
        "root": site.root_path,
        "ui": _ours(site),
        "login": site.has_logins,
        "tabs": [
            {"name": tab.name, "script": tab.script, "openedBy": tab.opened_by}
            for tab in all_tabs()
        ],
        "formats": [
            {
                "name": one.name,
                "ending": one.ending,
                "type": one.media_type,
                "isJson": one.is_json,
                "isBinary": one.is_binary,
            }
            for one in registry.on_page()
        ],
    }
    # "</" would end the script.
    return json.dumps(setup, ensure_ascii=False).replace("</", "<\\/")
