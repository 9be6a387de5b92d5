"""`seacod bench restart`: from a worker's death to the first right transcription, with and without
a warm spare, in one run."""

from __future__ import annotations

import os
import signal
import statistics
import time
from dataclasses import dataclass
from pathlib import Path

from seacod.errors import SeacodError
from seacod.proving.bench.private import PrivateService, private_service

_PAUSE_SECONDS = 0.01


@dataclass(frozen=True, slots=True)
class RestartFigures:
    """Seconds from SIGKILL to the first right transcription, one for each round."""

    cold_seconds: tuple[float, ...]
    spare_seconds: tuple[float, ...]

    @property
    def ratio(self) -> float:
        """Median with a spare over median without."""
        return statistics.median(self.spare_seconds) / statistics.median(self.cold_seconds)


def measure(model: str, rounds: int, recording: Path, text: str | None) -> RestartFigures:
    """Kill the worker again and again, first without a spare, then with one.

    The pause before a restart is set to nothing for both, so that only the start itself is
    compared.

    Args:
        model: asr.model.
        rounds: kills of each sort.
        recording: sent again and again until it is answered.
        text: what it says; None to take any text for right (another model than the built-in one).
    """
    figures: dict[str, tuple[float, ...]] = {}
    for spare in ("off", "on"):
        supervisor: dict[str, object] = {
            "spare": spare, "backoff_initial_seconds": 0, "crash_loop_failures": 1000,
        }  # fmt: skip
        with private_service(model, supervisor=supervisor) as service:
            figures[spare] = tuple(
                _one_round(service, spare, recording, text) for _ in range(rounds)
            )
    return RestartFigures(figures["off"], figures["on"])


def _one_round(service: PrivateService, spare: str, recording: Path, text: str | None) -> float:
    if spare == "on":
        service.wait_for_spare()
    if service.transcribe(recording) is None:
        raise SeacodError("the bench's own service does not transcribe")
    pid = service.status()["worker"]["pid"]
    begun = time.monotonic()
    os.kill(pid, signal.SIGKILL)
    while True:
        heard = service.transcribe(recording)
        if heard is not None and text in (None, heard):
            return time.monotonic() - begun
        time.sleep(_PAUSE_SECONDS)
