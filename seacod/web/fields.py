"""Fields of a form as people and programs write them."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from seacod.asr.request import SoundChoice
from seacod.asr.sound.channels import CHANNEL_MODES
from seacod.asr.speakers.wanted import SpeakerRange, parse
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


def sound_choice(fields: dict[str, str]) -> SoundChoice:
    """What is to be heard of a recording: the fields `track` and `channels`.

    Raises:
        BadRequest: one of them means nothing.
    """
    mode = fields.get("channels") or "auto"
    for known in CHANNEL_MODES:
        if mode == known:
            return SoundChoice(_track(fields.get("track", "")), known)
    raise BadRequest(
        f"channels: use one of {', '.join(CHANNEL_MODES)}",
        f"channels：可用 {'、'.join(CHANNEL_MODES)}",
    )


def _track(given: str) -> int | Literal["all"] | None:
    if not given:
        return None
    if given == "all":
        return "all"
    if given.isascii() and given.isdigit() and 1 <= int(given[:6]) <= 9999:
        return int(given[:6])
    raise BadRequest("track: use a number from 1, or all", "track：请填写从 1 开始的序号或 all")


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


def wanted_speakers(given: str | None, is_needed: bool = False) -> SpeakerRange | None:
    """Read the field `speakers`; None where nobody is to be told apart.

    Args:
        given: as it was sent.
        is_needed: the format that is wanted shows speakers, so they are wanted, too.

    Raises:
        BadRequest: it is no number of speakers.
    """
    return parse(given) or (SpeakerRange() if is_needed else None)
