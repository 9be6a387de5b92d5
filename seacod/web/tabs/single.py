"""单文件识别: one recording in, its text out, with progress in between."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import gradio as gr
import structlog

from seacod.asr.service import Progress, TranscriptionService
from seacod.asr.transcript import Segment
from seacod.config.schema import LimitSettings
from seacod.errors import BadRequest, SeacodError
from seacod.models import warmup
from seacod.web import render
from seacod.web.texts import both, preferred, text

log = structlog.get_logger(__name__)

ROUTE = "page"
_MAX_EXAMPLES = 5


def build(service: TranscriptionService, uploads: Path, label: Callable[[str], Any]) -> None:
    """Lay the tab out inside the surrounding Blocks.

    Args:
        service: does the work.
        uploads: the only directory files are taken from.
        label: a text that follows the browser's language.
    """
    limits = service.limits
    with gr.Row(elem_classes="sc-columns"):
        with gr.Column(scale=5, min_width=300):
            recording = gr.Audio(
                sources=["upload", "microphone"], type="filepath", label=label("recording"),
                elem_id="sc-recording", buttons=[],
            )  # fmt: skip
            gr.HTML(f'<p class="sc-hint">{_limits(limits)}</p>')
            words = gr.Textbox(
                label=label("hotwords"), placeholder=label("hotwords_placeholder"),
                info=label("hotwords_info"), lines=1, max_lines=3, elem_id="sc-hotwords",
            )  # fmt: skip
            button = gr.Button(label("recognise"), variant="primary", elem_id="sc-recognise")
            if service.engine.name == "builtin":
                _examples(recording, words, uploads)
        with gr.Column(scale=6, min_width=300):
            result = gr.Textbox(
                label=label("text"), placeholder=label("text_placeholder"), lines=6, max_lines=20,
                interactive=False, buttons=["copy"], elem_id="sc-text",
            )  # fmt: skip
            status = gr.HTML(elem_id="sc-state")
            details = gr.HTML(elem_id="sc-details")

    async def single(
        path: str | None, hotwords: str, request: gr.Request
    ) -> AsyncIterator[tuple[str, str, str]]:
        language = preferred(request.headers.get("accept-language", ""))
        yield "", render.progress(language, None), ""
        client = f"page:{request.session_hash}"
        async for update in _run(service, uploads, path, hotwords, language, client):
            yield update

    button.click(
        single, [recording, words], [result, status, details], api_name="single",
        concurrency_limit=None, show_progress="hidden", trigger_mode="once",
    )  # fmt: skip


def _limits(limits: LimitSettings) -> str:
    """How long and how big a recording may be, in a unit people think in."""
    mebibytes = f"{limits.max_upload_bytes / 1048576:g}"
    strict = limits.long_audio == "reject"
    seconds = limits.direct_audio_seconds if strict else limits.max_audio_seconds
    if seconds >= 7200 and seconds % 1800 == 0:
        return both("limits_hours", hours=f"{seconds / 3600:g}", mebibytes=mebibytes)
    if seconds >= 300 and seconds % 60 == 0:
        return both("limits_minutes", minutes=f"{seconds / 60:g}", mebibytes=mebibytes)
    return both("limits", seconds=f"{seconds:g}", mebibytes=mebibytes)


async def _run(
    service: TranscriptionService,
    uploads: Path,
    path: str | None,
    hotwords: str,
    language: str,
    client: str,
) -> AsyncIterator[tuple[str, str, str]]:
    """Updates of (text, status, details) until the request is over."""
    news: asyncio.Queue[Progress | list[Segment] | None] = asyncio.Queue()
    heard = ""
    gap = service.engine.sentence_gap
    task: asyncio.Task[Any] | None = None
    try:
        task = asyncio.ensure_future(
            service.transcribe(
                _checked(path, uploads, language), hotwords, route=ROUTE,
                name=Path(path or "").name,
                client=client,
                on_progress=news.put_nowait,
                on_segments=news.put_nowait,
            )
        )  # fmt: skip
        task.add_done_callback(lambda _: news.put_nowait(None))
        while (now := await news.get()) is not None:
            if isinstance(now, list):
                heard = gap.join(filter(None, (heard, *(segment.text for segment in now))))
            elif news.empty():  # a browser need not draw what is old already
                yield heard, render.progress(language, now), ""
        transcript = task.result()
        yield transcript.text, render.done(language), render.details(language, transcript)
    except SeacodError as error:
        yield heard, render.problem(language, error.sentence(language)), ""
    except Exception:
        log.exception("page_request_broke")
        yield heard, render.problem(language, text(language, "unexpected")), ""
    finally:
        # The person closed the page: nobody waits for the text any more.
        if task is not None:
            task.cancel()


def _checked(path: str | None, uploads: Path, language: str) -> Path:
    """The uploaded file; a path that anyone could have sent is not taken on trust."""
    if not path:
        raise BadRequest(text("en", "no_recording"), text("zh", "no_recording"))
    real = Path(path).resolve()
    if not real.is_relative_to(uploads.resolve()) or not real.is_file():
        raise BadRequest(text("en", "foreign_file"), text("zh", "foreign_file"))
    return real


def _examples(recording: gr.Audio, words: gr.Textbox, uploads: Path) -> None:
    """Buttons that put a shipped recording into the form."""
    gr.HTML(f'<p class="sc-hint">{both("examples")}</p>')
    with gr.Row(elem_classes="sc-examples"):
        for example in warmup.examples()[:_MAX_EXAMPLES]:
            shown = example.get("text_with_hotwords") or example["text"]
            caption = shown if len(shown) <= 12 else shown[:11] + "…"
            if example["hotwords"]:
                caption += f"（{example['hotwords']}）"
            gr.Button(caption, size="sm", min_width=60).click(
                _loader(example, uploads), None, [recording, words], api_visibility="private",
                show_progress="hidden",
            )  # fmt: skip


def _loader(example: dict[str, str], uploads: Path) -> Callable[[], tuple[str, str]]:
    def load() -> tuple[str, str]:
        # A copy of its own for each click: the sweep may remove it like any upload.
        directory = tempfile.mkdtemp(dir=uploads)
        copy = shutil.copy(warmup.EXAMPLES / example["file"], directory)
        return str(copy), example["hotwords"]

    return load
