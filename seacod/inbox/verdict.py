"""What an error of the service means for a recording of the folder: again, and when, or set aside.
Decides only."""

from __future__ import annotations

from dataclasses import dataclass

from seacod.client import BrokenOff, Busy, NoSeacod, Refused, Unreachable
from seacod.errors import SeacodError

_AWAY_SECONDS = 5.0
_WRONG_SECONDS = 60.0
_TRIES = 3
# A worker that ends is back in seconds; what ends it twice is told as poison by the service itself.
_BROKEN_TRIES = 6
# Not the recording's fault, but that of who set us up: a key, an address.
_OURS = (401, 403, 404, 405, 407, 421)
# The service, or who stands before it, has too much to do.
_TOO_MUCH = (429,)
# Without a reason: who stands before the service does not reach it.
_GATEWAY = (502, 504)
# Somebody has to make room, or a batch to end.
_NO_ROOM = ("storage_full", "quota_exceeded")


@dataclass(frozen=True, slots=True)
class Again:
    """
    Args:
        after_seconds: when.
        holds_all: no other recording would fare better meanwhile.
    """

    after_seconds: float
    holds_all: bool


@dataclass(frozen=True, slots=True)
class SetAside:
    """It will not be heard; why is in the error."""


def after(error: SeacodError, tries: int) -> Again | SetAside:
    """
    Args:
        error: what came of it.
        tries: how often this recording was tried.
    """
    if isinstance(error, Unreachable):
        return Again(_AWAY_SECONDS, holds_all=True)
    if isinstance(error, NoSeacod):
        return Again(_WRONG_SECONDS, holds_all=True)
    if isinstance(error, BrokenOff):
        return Again(_AWAY_SECONDS, holds_all=True) if tries < _BROKEN_TRIES else SetAside()
    if not isinstance(error, Refused):
        return SetAside()
    if isinstance(error, Busy) or error.status in _TOO_MUCH:
        return Again(float(error.retry_after_seconds or _AWAY_SECONDS), holds_all=True)
    if error.status in _GATEWAY and not error.reason:
        return Again(_AWAY_SECONDS, holds_all=True)
    if error.status in _OURS or error.reason in _NO_ROOM:
        return Again(_WRONG_SECONDS, holds_all=True)
    if error.status >= 500 and error.status != 501 or error.status == 408:
        return Again(_AWAY_SECONDS * tries, holds_all=False) if tries < _TRIES else SetAside()
    return SetAside()
