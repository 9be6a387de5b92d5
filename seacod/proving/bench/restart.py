"""`seacod bench restart`: from a worker's death to the first right transcription, with and without
a warm spare, in one run."""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import signal
import statistics
import time
from dataclasses import dataclass
from pathlib import Path

from seacod.errors import EX_OK, SeacodError
from seacod.models.examples import EXAMPLES, examples
from seacod.proving.service import PrivateService, private_service

HELP = "time to the first right text after a kill, with and without a spare"
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


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--rounds", type=int, default=3, help="kills with and without a spare (3)")
    parser.add_argument("--model", default="builtin", help="asr.model (builtin)")


def run(options: argparse.Namespace) -> int:
    """Measure, and print."""
    example, rounds = examples()[0], max(1, options.rounds)
    text = str(example["text"]) if options.model == "builtin" else None
    figures = measure(options.model, rounds, EXAMPLES / example["file"], text)
    if options.json:
        print(json.dumps({**dataclasses.asdict(figures), "ratio": figures.ratio}))
        return EX_OK
    print(f"from SIGKILL of the worker to the first right transcription, {rounds} rounds each")
    print(f"  without a spare  {_seconds(figures.cold_seconds)}")
    print(f"  with a spare     {_seconds(figures.spare_seconds)}")
    print(f"  ratio of medians {figures.ratio:.3f}")
    return EX_OK


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


def _seconds(times: tuple[float, ...]) -> str:
    return "  ".join(f"{time:6.2f} s" for time in times)
