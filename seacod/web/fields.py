"""Fields of a form as people and programs write them."""

from __future__ import annotations

from seacod.asr.formats import Format
from seacod.errors import BadRequest


def is_true(name: str, given: str | None) -> bool:
    """A switch; off when it is not given.

    Raises:
        BadRequest: neither yes nor no.
    """
    value = (given or "false").lower()
    if value in ("true", "1", "yes", "on"):
        return True
    if value in ("false", "0", "no", "off"):
        return False
    raise BadRequest(f"{name}: use true or false", f"{name}：请使用 true 或 false")


def chosen_format(name: str, given: str | None, allowed: tuple[Format, ...]) -> Format:
    """One of the formats of a route; json when none is given.

    Raises:
        BadRequest: it is none of them.
    """
    for known in allowed:
        if (given or "json") == known:
            return known
    shown = (given or "")[:40]
    raise BadRequest(
        f"{name}: there is no {shown!r}; use one of {', '.join(allowed)}",
        f"{name}：不支持 {shown}，可用：{'、'.join(allowed)}",
    )


def chosen_formats(name: str, given: str | None, allowed: tuple[Format, ...]) -> list[Format]:
    """Several of them, separated by commas; none when nothing is given.

    Raises:
        BadRequest: one is none of them.
    """
    parts = [part.strip() for part in (given or "").split(",")]
    return [chosen_format(name, part, allowed) for part in parts if part]
