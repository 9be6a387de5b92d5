"""A table with start, end and text of each sentence, in milliseconds, as whisper's command line
writes it."""

from __future__ import annotations

from seacod.formats.base import Choices, OutputFormat, one_line, prefix
from seacod.formats.spreadsheet import harmless
from seacod.transcript import Transcript


def _render(transcript: Transcript, choices: Choices) -> str:
    rows = (
        f"{round(s.start_seconds * 1000)}\t{round(s.end_seconds * 1000)}\t"
        f"{harmless(prefix(s) + one_line(s.text))}"
        for s in transcript.segments
    )
    return "\n".join(["start\tend\ttext", *rows]) + "\n"


FORMAT = OutputFormat(
    "tsv", ".tsv", "text/tab-separated-values; charset=utf-8", "Table separated by tabs",
    "制表符分隔的表格", 60, render=_render, is_on_page=True,
)  # fmt: skip
