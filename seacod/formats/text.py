"""Plain text: the sentences and nothing else."""

from __future__ import annotations

from seacod.formats.base import Granularities, OutputFormat
from seacod.transcript import Transcript


def _render(transcript: Transcript, granularities: Granularities) -> str:
    return transcript.text + "\n"


FORMAT = OutputFormat(
    "text", ".txt", "text/plain; charset=utf-8", "Plain text", "纯文本", 30,
    render=_render, render_openai=_render, is_on_page=True, is_in_zip=True,
)  # fmt: skip
