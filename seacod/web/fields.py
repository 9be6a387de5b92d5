"""Fields of a form as people and programs write them."""

from __future__ import annotations

from typing import Literal

from seacod.asr.request import SoundChoice
from seacod.asr.sound.channels import CHANNEL_MODES
from seacod.asr.speakers.wanted import SpeakerRange, parse
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


def wanted_speakers(given: str | None, is_needed: bool = False) -> SpeakerRange | None:
    """Read the field `speakers`; None where nobody is to be told apart.

    Args:
        given: as it was sent.
        is_needed: the format that is wanted shows speakers, so they are wanted, too.

    Raises:
        BadRequest: it is no number of speakers.
    """
    return parse(given) or (SpeakerRange() if is_needed else None)
