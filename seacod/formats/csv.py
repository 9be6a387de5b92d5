"""A table for spreadsheets: start, end, speaker and text of each sentence, with times as clocks."""

from __future__ import annotations

import csv
import io

from seacod.formats.base import Choices, OutputFormat, clock, one_line
from seacod.formats.spreadsheet import harmless
from seacod.transcript import Transcript

# Without it spreadsheets take the file for another encoding.
_MARK = "\ufeff"


def _render(transcript: Transcript, choices: Choices) -> str:
    table = io.StringIO()
    writer = csv.writer(table)
    writer.writerow(("start", "end", "speaker", "text"))
    writer.writerows(
        (
            clock(s.start_seconds, "."),
            clock(s.end_seconds, "."),
            harmless(one_line(s.speaker or "")),
            harmless(one_line(s.text)),
        )
        for s in transcript.segments
    )
    return _MARK + table.getvalue()


FORMAT = OutputFormat(
    "csv", ".csv", "text/csv; charset=utf-8", "Table for spreadsheets", "电子表格（CSV）", 58,
    render=_render, is_on_page=True,
)  # fmt: skip
