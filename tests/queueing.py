"""Requests in a queue, for tests of the admission."""

from __future__ import annotations

from pathlib import Path

from seacod.asr.admission import Admission
from seacod.asr.hotwords import Hotwords
from seacod.asr.request import RecordingRequest
from seacod.config.schema import Settings


def admitted(queue: Admission, client: str = "a", *, is_bulk: bool = False) -> RecordingRequest:
    """Raises what `Admission.admit` raises."""
    request = RecordingRequest(
        client, Hotwords(), is_bulk, path=Path("one.wav"), limits=Settings().limits
    )
    queue.admit(request)
    return request
