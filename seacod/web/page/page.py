"""The web page: Gradio starts and themes it, the server draws it, our scripts do the work through
the API.

The tabs are in `tabs/`, their scripts in `static/`. No function of Gradio's is used, so that
nothing between browser and recognition is hidden in it: uploads are ours, an answer comes on the
connection that asked, and a page outlives the worker that served it. Nor is its client: header,
tabs and first screen are in the document (`document.py`), and nothing jumps. A nursery draws it
once for all workers.
"""

from __future__ import annotations

from fastapi import FastAPI
from starlette.routing import Mount
from starlette.types import ASGIApp

from seacod import __version__
from seacod.asr.recognisers.base import Recogniser
from seacod.config.schema import Settings
from seacod.web.page import assets, document, texts
from seacod.web.page.gradio_guard import GradioGuard
from seacod.web.page.gradio_lean import gradio as gr
from seacod.web.page.gradio_lean import only_mounted
from seacod.web.page.tabs.registry import all_tabs


class Page:
    """The page as an application of its own; no loop and no thread belongs to it.

    Args:
        engine: what the page says of the model is said of this one.
        settings: how it is reached, and by whom.
    """

    def __init__(self, engine: Recogniser, settings: Settings) -> None:
        self._drawn_for = _what_it_shows(settings)
        self._gradio = _drawn(engine, settings)
        # Packed here, not by each worker at its start.
        assets.served()

    def fits(self, settings: Settings) -> bool:
        """Whether it would be drawn the same with these."""
        return self._drawn_for == _what_it_shows(settings)

    def mount(self, app: FastAPI) -> None:
        """Put it at `/` of an application that has its own routes already."""
        assets.mount(app)
        app.mount("/", self._gradio)


def _what_it_shows(settings: Settings) -> tuple[str, bool]:
    return settings.server.root_path, bool(settings.access.users)


def _drawn(engine: Recogniser, settings: Settings) -> ASGIApp:
    with only_mounted(), gr.Blocks(analytics_enabled=False, title="seacod 语音识别") as demo:
        gr.HTML(_header(engine, settings))
        with gr.Tabs(elem_id="sc-tabs"):
            for tab in all_tabs():
                with gr.Tab(tab.name, id=tab.name):
                    gr.HTML(tab.skeleton(engine))
        gr.HTML(_footer(settings))
    mounted: FastAPI = gr.mount_gradio_app(
        FastAPI(),
        demo,
        path="/",
        allowed_paths=[],
        show_error=False,
        ssr_mode=False,
        enable_monitoring=False,
        run_history=False,
        footer_links=[],
        favicon_path=str(assets.directory() / "favicon.svg"),
        root_path=settings.server.root_path or None,
        theme=_theme(),
    )
    # Gradio checks where a file comes from only once a page was launched, which mounting never
    # does (6.31, processing_utils). The guard keeps everybody from there anyway.
    demo.has_launched = True
    (gradio,) = (route.app for route in mounted.routes if isinstance(route, Mount))
    return GradioGuard(gradio, document.drawn(demo, settings))


def _theme() -> gr.themes.Base:
    """Gradio's default with the system's fonts: nothing is loaded from elsewhere."""
    sans = ["system-ui", "PingFang SC", "Microsoft YaHei", "Noto Sans CJK SC", "sans-serif"]
    mono = ["ui-monospace", "Consolas", "monospace"]
    return gr.themes.Default(
        primary_hue=gr.themes.colors.teal, neutral_hue=gr.themes.colors.slate,
        font=sans, font_mono=mono,
    )  # fmt: skip


def _header(engine: Recogniser, settings: Settings) -> str:
    banner = logout = ""
    if settings.access.users:
        logout = (
            f'<form method="post" action="{settings.server.root_path}/logout">'
            f'<button id="sc-logout">{texts.both("logout")}</button></form>'
        )
    if engine.name == "builtin":
        known = [t for t in engine.vocabulary or () if not t.startswith("<")]
        text = texts.both("banner_builtin", characters=len(known))
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


def _footer(settings: Settings) -> str:
    root = settings.server.root_path
    return (
        f'<footer class="sc-footer">seacod {__version__} · '
        f'<a href="{root}/ui/{assets.mark()}/help.html">{texts.both("footer_help")}</a> · '
        f'<a href="{root}/docs">{texts.both("footer_api")}</a></footer>'
    )
