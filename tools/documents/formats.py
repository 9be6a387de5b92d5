"""The table of output formats in docs/api.md, from `seacod/formats/`."""

from __future__ import annotations

import re
from pathlib import Path

from seacod.formats.registry import all_formats

_PAGE = Path(__file__).resolve().parents[2] / "docs/api.md"
_SECTION = re.compile("(?<=<!-- formats -->\n\n).*?(?=\n<!-- end of formats -->)", re.DOTALL)


def page() -> str:
    """docs/api.md with its table anew."""
    return _SECTION.sub(lambda _: table(), _PAGE.read_text("utf-8"))


def table() -> str:
    """A row for each format."""
    rows = [
        "| `format` | | 格式 | media type | OpenAI | page | batch |",
        "|---|---|---|---|---|---|---|",
    ]
    for one in all_formats():
        offered = (one.render_openai is not None, one.is_on_page, one.is_in_zip)
        cells = [
            f"`{one.name}`", one.english, one.chinese, f"`{one.media_type.partition(';')[0]}`",
            *("yes" if there else "" for there in offered),
        ]  # fmt: skip
        rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows) + "\n"
