"""Fields of a form as people and programs write them."""

from __future__ import annotations

from dataclasses import replace

from seacod.errors import BadRequest
from seacod.formats.base import CueLimits

_LINE_CHARACTERS = range(4, 201)
_CUE_SECONDS = (1.0, 60.0)


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


def cue_limits(fields: dict[str, str]) -> CueLimits:
    """How much a subtitle may have: the fields `max_line_characters` and `max_cue_seconds`.

    Raises:
        BadRequest: one of them is no number, or none that makes sense.
    """
    limits = CueLimits()
    if given := fields.get("max_line_characters", "").strip():
        number = int(given[:6]) if given.isascii() and given.isdigit() else 0
        if number not in _LINE_CHARACTERS:
            least, most = _LINE_CHARACTERS[0], _LINE_CHARACTERS[-1]
            raise BadRequest(
                f"max_line_characters: use a whole number from {least} to {most}",
                f"max_line_characters：请填写 {least} 到 {most} 的整数",
            )
        limits = replace(limits, wide=number, narrow=number)
    if given := fields.get("max_cue_seconds", "").strip():
        least_seconds, most_seconds = _CUE_SECONDS
        try:
            seconds = float(given)
        except ValueError:
            seconds = 0.0
        if not least_seconds <= seconds <= most_seconds:
            raise BadRequest(
                f"max_cue_seconds: use a number from {least_seconds:g} to {most_seconds:g}",
                f"max_cue_seconds：请填写 {least_seconds:g} 到 {most_seconds:g} 的数",
            )
        limits = replace(limits, seconds=seconds)
    return limits
