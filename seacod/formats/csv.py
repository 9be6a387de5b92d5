"""A table for spreadsheets: start, end, speaker and text of each sentence, with times as clocks."""

from __future__ import annotations

import csv
import io

from seacod.formats.base import Choices, OutputFormat, clock, one_line
from seacod.transcript import Transcript

# Without it spreadsheets take the file for another encoding.
_MARK = "\ufeff"
_FORMULAS = ("=", "+", "-", "@", "＝", "＋", "－", "＠")


def _render(transcript: Transcript, choices: Choices) -> str:
    table = io.StringIO()
    writer = csv.writer(table)
    writer.writerow(("start", "end", "speaker", "text"))
    writer.writerows(
        (
            clock(s.start_seconds, "."),
            clock(s.end_seconds, "."),
            _cell(s.speaker or ""),
            _cell(one_line(s.text)),
        )
        for s in transcript.segments
    )
    return _MARK + table.getvalue()


def _cell(text: str) -> str:
    """A text that no spreadsheet takes for a formula: names are other people's words.
    https://owasp.org/www-community/attacks/CSV_Injection"""
    return f"'{text}" if text.startswith(_FORMULAS) else text


FORMAT = OutputFormat(
    "csv", ".csv", "text/csv; charset=utf-8", "Table for spreadsheets", "电子表格（CSV）", 58,
    render=_render, is_on_page=True,
)  # fmt: skip
