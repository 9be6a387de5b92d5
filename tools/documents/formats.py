"""The table of output formats in docs/api.md and its Chinese version, from `seacod/formats/`."""

from __future__ import annotations

import re
from pathlib import Path

from seacod.formats.registry import all_formats

_DOCUMENTS = Path(__file__).resolve().parents[2] / "docs"
_SECTION = re.compile("(?<=<!-- formats -->\n\n).*?(?=\n<!-- end of formats -->)", re.DOTALL)


def page() -> str:
    """docs/api.md with its table anew."""
    return _with_table(_DOCUMENTS / "api.md", table(0))


def chinese_page() -> str:
    """docs/zh/api.md with its table anew."""
    return _with_table(_DOCUMENTS / "zh/api.md", table(1))


def _with_table(page: Path, rows: str) -> str:
    return _SECTION.sub(lambda _: rows, page.read_text("utf-8"))


def table(language: int) -> str:
    """A row for each format.

    Args:
        language: 0 for English, 1 for Chinese.
    """
    rows = [
        (
            "| `format` | | media type | OpenAI | page | batch |",
            "| `format` | | 媒体类型 | OpenAI | 网页 | 批量 |",
        )[language],
        "|---|---|---|---|---|---|",
    ]
    for one in all_formats():
        offered = (one.render_openai is not None, one.is_on_page, one.is_in_zip)
        cells = [
            f"`{one.name}`",
            (one.english, one.chinese)[language],
            f"`{one.media_type.partition(';')[0]}`",
            *(("yes", "是")[language] if there else "" for there in offered),
        ]
        rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows) + "\n"
