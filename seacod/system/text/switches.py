"""Switches as people and programs write them in forms, files and messages."""

from __future__ import annotations

from seacod.errors import BadRequest


def is_true(name: str, given: str | None) -> bool:
    """Read a switch of a form; off when it is not given.

    Raises:
        BadRequest: the value is neither yes nor no.
    """
    value = (given or "false").lower()
    if value in ("true", "1", "yes", "on"):
        return True
    if value in ("false", "0", "no", "off"):
        return False
    raise BadRequest(f"{name}: use true or false", f"{name}：请使用 true 或 false")
