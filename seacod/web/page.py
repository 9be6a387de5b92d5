"""The web page: Gradio, mounted into our application, closed where Gradio leaves doors open.

One file per tab in `tabs/`. What is closed, and why, is written beside each line; the tests in
tests/browser try every one.
"""

from __future__ import annotations

import json
from importlib import resources
from pathlib import Path

import gradio as gr
from fastapi import FastAPI
from starlette.routing import Mount

from seacod import __version__
from seacod.asr.service import TranscriptionService
from seacod.config.schema import Settings
from seacod.paths import Paths
from seacod.web import errors, texts
from seacod.web.tabs import batch, single, system


def mount_page(
    app: FastAPI, service: TranscriptionService, settings: Settings, paths: Paths
) -> FastAPI:
    """Put the page at `/` of an application that has its own routes already."""
    uploads = paths.page_uploads
    translations = texts.all_labels()
    i18n = gr.I18n(**translations)
    with gr.Blocks(
        analytics_enabled=False,
        title="seacod 语音识别",
        fill_width=False,
        delete_cache=(3600, 3600),
    ) as demo:
        gr.HTML(_header(service))
        with gr.Tabs(elem_id="sc-tabs"):
            with gr.Tab(i18n("tab_single"), id="single"):
                single.build(service, uploads, i18n)
            with gr.Tab(i18n("tab_batch"), id="batch"):
                batch.build()
            with gr.Tab(i18n("tab_system"), id="system"):
                system.build()
        gr.HTML(_footer(settings))
    # Admission is ours (`asr/admission.py`); Gradio's queue only carries the updates. api_open:
    # otherwise /gradio_api/run would go round the queue.
    demo.queue(api_open=False, max_size=None, default_concurrency_limit=None)
    mounted: FastAPI = gr.mount_gradio_app(
        app,
        demo,
        path="/",
        allowed_paths=[],
        max_file_size=settings.limits.max_upload_bytes,
        show_error=False,
        ssr_mode=False,
        enable_monitoring=False,
        run_history=False,
        footer_links=[],
        favicon_path=str(_static("favicon.svg")),
        root_path=settings.server.root_path or None,
        i18n=i18n,
        theme=_theme(),
        css=_static("page.css").read_text("utf-8"),
        head=_scripts(settings),
    )
    # Gradio checks where a file comes from only once a page was launched, which mounting never
    # does: without this line anyone could have /etc/passwd read (6.31, processing_utils).
    demo.has_launched = True
    for route in mounted.routes:
        if isinstance(route, Mount) and isinstance(route.app, FastAPI):
            errors.handle_storage(route.app)
    return mounted


def _scripts(settings: Settings) -> str:
    """What runs in the browser, with its texts; no file of it is fetched from anywhere."""
    setup = {
        "texts": {language: texts.all_labels()[language] for language in texts.LANGUAGES},
        "root": settings.server.root_path,
    }
    # "</" would end the script.
    given = json.dumps(setup, ensure_ascii=False).replace("</", "<\\/")
    parts = [f"window.seacodSetup = {given};"]
    parts += [_static(name).read_text("utf-8") for name in ("page.js", "batch.js", "system.js")]
    return "".join(f"<script>{part}</script>" for part in parts)


def _theme() -> gr.themes.Base:
    """Gradio's default with the system's fonts: nothing is loaded from elsewhere."""
    sans = ["system-ui", "PingFang SC", "Microsoft YaHei", "Noto Sans CJK SC", "sans-serif"]
    mono = ["ui-monospace", "Consolas", "monospace"]
    return gr.themes.Default(
        primary_hue=gr.themes.colors.teal, neutral_hue=gr.themes.colors.slate,
        font=sans, font_mono=mono,
    )  # fmt: skip


def _header(service: TranscriptionService) -> str:
    banner = ""
    if service.engine.name == "builtin":
        known = [t for t in service.engine.vocabulary or () if not t.startswith("<")]
        text = texts.both("banner_builtin", characters=len(known))
        banner = f'<div class="sc-banner" role="note">{text}</div>'
    return (
        f'<header class="sc-header"><h1>{texts.both("title")}</h1>'
        f"<p>{texts.both('subtitle')}</p></header>{banner}"
    )


def _footer(settings: Settings) -> str:
    link = f"{settings.server.root_path}/openapi.json"
    return (
        f'<footer class="sc-footer">seacod {__version__} · '
        f'<a href="{link}">{texts.both("footer_api")}</a></footer>'
    )


def _static(name: str) -> Path:
    with resources.as_file(resources.files("seacod.web").joinpath(f"static/{name}")) as path:
        return path
