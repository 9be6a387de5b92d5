"""What of a recording is to be heard, and whether who speaks is told apart.

The one carrier of these choices, from forms, commands and stored jobs to the decoder. Knows nothing
of files.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

from seacod.asr.sound.channels import CHANNEL_MODES, ChannelMode
from seacod.asr.speakers.wanted import SpeakerRange, parse
from seacod.errors import BadRequest

_MOST_TRACKS = 9999


@dataclass(frozen=True, slots=True)
class SoundChoice:
    """
    Args:
        track: which audio track, from 1, or "all"; None for the one a player would take.
        channels: what to do with several channels.
        speakers: how many are to be told apart; None for not at all.
    """

    track: int | Literal["all"] | None = None
    channels: ChannelMode = "auto"
    speakers: SpeakerRange | None = None

    @classmethod
    def read(cls, fields: Mapping[str, str], dashes: str = "") -> SoundChoice:
        """The choices as people and programs write them.

        Args:
            fields: `track`, `channels` and `speakers` among them; each may be missing or empty.
            dashes: in front of the names, in messages to who typed options.

        Raises:
            BadRequest: one of them means nothing.
        """
        speakers = parse(fields.get("speakers"), f"{dashes}speakers")
        mode = fields.get("channels") or "auto"
        for known in CHANNEL_MODES:
            if mode == known:
                return cls(_track(fields.get("track", ""), f"{dashes}track"), known, speakers)
        raise BadRequest(
            f"{dashes}channels: use one of {', '.join(CHANNEL_MODES)}",
            f"{dashes}channels：可用 {'、'.join(CHANNEL_MODES)}",
        )

    def fields(self) -> dict[str, str]:
        """As `read` takes them; what was not chosen is left out."""
        chosen = {
            "track": "" if self.track is None else str(self.track),
            "channels": "" if self.channels == "auto" else self.channels,
            "speakers": "" if self.speakers is None else str(self.speakers),
        }
        return {name: value for name, value in chosen.items() if value}

    def for_format(self, needs_speakers: bool) -> SoundChoice:
        """These choices, for a format that may show who speaks: then it is told, too."""
        if self.speakers is not None or not needs_speakers:
            return self
        return replace(self, speakers=SpeakerRange())


# What a player would play, voices apart where there are two.
EVERYTHING = SoundChoice()


def _track(given: str, field: str) -> int | Literal["all"] | None:
    if not given:
        return None
    if given == "all":
        return "all"
    if given.isascii() and given.isdigit() and 1 <= int(given[:6]) <= _MOST_TRACKS:
        return int(given[:6])
    raise BadRequest(
        f"{field}: use a number from 1, or all", f"{field}：请填写从 1 开始的序号或 all"
    )
