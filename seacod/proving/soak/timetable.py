"""Which mix is on when. Each hour has them all; the clock of hours runs `speed` times as fast."""

from __future__ import annotations

import enum
from collections.abc import Iterator
from dataclasses import dataclass

_HOUR_SECONDS = 3600.0


class Mix(enum.Enum):
    """What people do. A, B and C are those of the articles this project began from."""

    A = "A"
    """Five clients, each with a 2-minute recording every 3 s."""
    B = "B"
    """A batch, single recordings, a microphone, and people who look at the system tab."""
    C = "C"
    """Three recordings of 4.5 minutes at once."""
    REST = "rest"
    """Nobody: an idle service is not to be restarted, and memory is read."""


# Shares of an hour.
_HOUR = ((Mix.A, 0.40), (Mix.B, 0.35), (Mix.C, 0.20), (Mix.REST, 0.05))


@dataclass(frozen=True, slots=True)
class Phase:
    """From `begin` to `end`, seconds of the run."""

    hour: int
    mix: Mix
    begin: float
    end: float


def run_seconds(hours: float, speed: float) -> float:
    """How long a run takes."""
    return hours * _HOUR_SECONDS / speed


def phases(hours: float, speed: float) -> Iterator[Phase]:
    """All phases of a run; the last hour may be cut short.

    Args:
        hours: of the timetable.
        speed: how many times as fast as the clock on the wall they pass. Recordings, pauses and
            microphones keep their own pace.
    """
    total, hour, at = run_seconds(hours, speed), 0, 0.0
    while at < total:
        for mix, share in _HOUR:
            end = min(total, at + share * _HOUR_SECONDS / speed)
            if end > at:
                yield Phase(hour, mix, at, end)
            at = end
        hour += 1
