"""What documents say of output formats, from `seacod/formats/`: the table in docs/api.md and its
Chinese version, and between marks within sentences which files the page gives, and what OpenAI's
clients may ask for."""

from __future__ import annotations

import re
from pathlib import Path

from seacod.formats.registry import all_formats, on_page

_ROOT = Path(__file__).resolve().parents[2]
_DOCUMENTS = _ROOT / "docs"
_WITHIN = re.compile("(?<=<!-- formats -->)[^\n]*?(?=<!-- end of formats -->)")
_SECTION = re.compile("(?<=<!-- formats -->\n\n).*?(?=\n<!-- end of formats -->)", re.DOTALL)


def page() -> str:
    """docs/api.md with its table anew."""
    return _with_table(_DOCUMENTS / "api.md", table(0))


def chinese_page() -> str:
    """docs/zh/api.md with its table anew."""
    return _with_table(_DOCUMENTS / "zh/api.md", table(1))


def with_files(name: str, language: int) -> str:
    """A document with the names of the files anew.

    Args:
        name: of the document, from the root.
        language: 0 for English, 1 for Chinese.
    """
    *names, last = (one.ending[1:].upper() for one in on_page())
    listed = (f"{', '.join(names)} and {last}", f"{'、'.join(names)} 和 {last}")[language]
    return _within(_ROOT / name, listed)


def clients() -> str:
    """docs/clients.md with what OpenAI's clients may ask for anew."""
    names = [f"`{one.name}`" for one in all_formats() if one.render_openai is not None]
    return _within(_DOCUMENTS / "clients.md", ", ".join(names))


def _within(page: Path, listed: str) -> str:
    text, times = _WITHIN.subn(lambda _: listed, page.read_text("utf-8"))
    if times != 1:
        raise ValueError(f"{page}: {times} places for it")
    return text


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
