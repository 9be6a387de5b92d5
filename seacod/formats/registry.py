"""Every output format, found by looking into this folder. Whoever offers formats asks here."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import seacod.formats as package
from seacod.errors import BadRequest
from seacod.formats.base import OutputFormat
from seacod.system.discovery import declared

# What is meant where no format is named.
DEFAULT = "json"


@cache
def all_formats() -> tuple[OutputFormat, ...]:
    """Every format, in the order in which they are listed."""
    found = declared(package, "FORMAT", OutputFormat)
    return tuple(sorted(found, key=lambda one: one.order))


def texts() -> tuple[OutputFormat, ...]:
    """The formats that are text: they can come along in JSON (`also=`)."""
    return tuple(one for one in all_formats() if not one.is_json and not one.is_binary)


def on_page() -> tuple[OutputFormat, ...]:
    """What the page offers to download: texts first, as they are asked for most."""
    offered = (one for one in all_formats() if one.is_on_page)
    return tuple(sorted(offered, key=lambda one: one.is_json))


def names(formats: Sequence[OutputFormat]) -> list[str]:
    """The names by which formats are asked for."""
    return [one.name for one in formats]


def chosen(field: str, given: str | None, allowed: Sequence[OutputFormat]) -> OutputFormat:
    """Find the format somebody asks for.

    Args:
        field: where it was asked, for the message.
        given: its name; nothing means `DEFAULT`.
        allowed: those there are here.

    Raises:
        BadRequest: there is no such format.
    """
    for known in allowed:
        if (given or DEFAULT) == known.name:
            return known
    shown, known_names = (given or "")[:40], names(allowed)
    raise BadRequest(
        f"{field}: there is no {shown!r}; use one of {', '.join(known_names)}",
        f"{field}：不支持 {shown}，可用：{'、'.join(known_names)}",
    )


def chosen_texts(field: str, given: str | None) -> list[OutputFormat]:
    """Several text formats, separated by commas; none when nothing is given.

    Raises:
        BadRequest: one of them is no text format.
    """
    parts = [part.strip() for part in (given or "").split(",")]
    return [chosen(field, part, texts()) for part in parts if part]
