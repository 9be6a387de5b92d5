"""The routes by which recordings and microphones come in: one line for each.

What is true of all of them follows from here: metrics count by these names and have each from the
start, also where no worker has started yet; quotas are asked for, and the disk is looked at, before
a recording is read. The code of each is in `seacod/web/routes/`.
"""

from __future__ import annotations

import enum
from typing import Final


class Carries(enum.Enum):
    """What comes by a route."""

    RECORDING = "recording"
    """Files in the body of a POST."""
    MICROPHONE = "microphone"
    """Sound by a WebSocket, asked for once, when it is opened."""
    UTTERANCES = "utterances"
    """One after the other by a WebSocket; each is asked for where it is read."""


_KNOWN: dict[str, Carries] = {}


def _route(path: str, carries: Carries) -> str:
    _KNOWN[path] = carries
    return path


TRANSCRIBE: Final = _route("/transcribe", Carries.RECORDING)
BATCH: Final = _route("/batch_transcribe", Carries.RECORDING)
LIVE: Final = _route("/live", Carries.MICROPHONE)
FUNASR_PROTOCOL: Final = _route("/funasr", Carries.UTTERANCES)
OPENAI: Final = _route("/v1/audio/transcriptions", Carries.RECORDING)
REALTIME: Final = _route("/v1/realtime", Carries.MICROPHONE)

ROUTES: Final = tuple(_KNOWN)


def carrying(what: Carries) -> tuple[str, ...]:
    """The routes by which this comes."""
    return tuple(path for path, carries in _KNOWN.items() if carries is what)
