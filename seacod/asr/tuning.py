"""How big a batch is worth while on this machine: measured by `tuner.py`, remembered, used by the
scheduler.

The cost of a call is taken as `overhead + padded seconds / speed`; a straight line through what was
measured gives both. Sizes that are slower per second of audio than smaller ones are not used.
Arithmetic and a file; nothing here waits or knows the model.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import structlog

from seacod.asr.audio import SAMPLE_RATE, Samples
from seacod.errors import OutOfMemory

log = structlog.get_logger(__name__)

# Pieces of speech are about so long.
PIECE_SECONDS = 5.0
# What is drawn from fewer sizes is a guess: it is used, and not remembered.
FEWEST_SIZES = 3
# What all of a measurement may take; on a slow device that is four or five sizes.
TIME_LIMIT_SECONDS = 25.0
_ROUNDS = 3
# Long calls vary less, and take time.
_FEWER_ROUNDS, _LONG_CALL_SECONDS = 2, 1.5
# A request that comes meanwhile waits for the call: no longer one is tried.
_LONGEST_CALL_SECONDS = 6.0
# A bigger size must be at least this much better than a smaller one to be used.
_BETTER = 0.99
# Before sizes were measured, a batch should take no longer than this.
_GUESSED_BATCH_SECONDS = 4.0


@dataclass(frozen=True, slots=True)
class Tuning:
    """What was measured. `measured` holds padded seconds and seconds taken, by rising size.

    `useful_seconds` is the batch beyond which nothing is gained; `overhead_seconds` the cost of a
    call in seconds of audio; `speed` seconds of audio per second at the useful size.
    """

    measured: tuple[tuple[float, float], ...]
    useful_seconds: float
    overhead_seconds: float
    speed: float

    @classmethod
    def unknown(cls, ceiling_seconds: float) -> Tuning:
        """The figures before anything was measured: the whole budget, a cautious speed."""
        return cls((), ceiling_seconds, PIECE_SECONDS, 10.0)

    @classmethod
    def guessed(cls, seconds: float, took_seconds: float, ceiling_seconds: float) -> Tuning:
        """The figures after one call with one piece of so many seconds: its speed, and batches
        that do not take long."""
        speed = seconds / took_seconds
        useful = min(ceiling_seconds, max(PIECE_SECONDS, speed * _GUESSED_BATCH_SECONDS))
        return cls(((seconds, took_seconds),), useful, PIECE_SECONDS, speed)

    @property
    def is_measured(self) -> bool:
        """Whether it is worth remembering."""
        return len(self.measured) >= FEWEST_SIZES

    def expected_seconds(self, padded_seconds: float) -> float:
        """How long a call of so many padded seconds should take."""
        useful = self.useful_seconds
        share = (self.overhead_seconds + padded_seconds) / (self.overhead_seconds + useful)
        return share * useful / self.speed


class Measurement:
    """Which call to time next, until nothing is gained, or a limit is reached.

    Args:
        ceiling_seconds: padded seconds never to go beyond.
    """

    def __init__(self, ceiling_seconds: float) -> None:
        self._ceiling_seconds = ceiling_seconds
        # With a small ceiling the pieces are shorter, so that there are sizes to compare.
        self.piece_seconds = min(PIECE_SECONDS, ceiling_seconds / 2 ** (FEWEST_SIZES - 1))
        self._count = 1
        self._times: list[float] = []
        self._measured: list[tuple[float, float]] = []
        self._spent = 0.0
        self._worse = 0
        self._is_warm = False
        self._is_over = False

    def next(self) -> int | None:
        """How many pieces the next call should have; None when it is over."""
        return None if self._is_over else self._count

    def out_of_memory(self) -> None:
        """The call did not fit: neither will bigger ones."""
        self._is_over = True

    def note(self, seconds: float) -> None:
        """How long the call took."""
        if not self._is_warm:
            # The first call of all prepares more than it computes.
            self._is_warm = True
            self._spend(seconds)
            return
        self._times.append(seconds)
        wanted = _ROUNDS if seconds < _LONG_CALL_SECONDS else _FEWER_ROUNDS
        if len(self._times) >= wanted:
            self._next_size()
        self._spend(seconds)

    @property
    def result(self) -> Tuning:
        """What is known by now."""
        if not self._measured:
            return Tuning.unknown(self._ceiling_seconds)
        return conclude(self._measured)

    def _spend(self, seconds: float) -> None:
        self._spent += seconds
        if self._spent > TIME_LIMIT_SECONDS:
            if self._times and not self._is_over:
                self._next_size()
            self._is_over = True

    def _next_size(self) -> None:
        padded, taken = self._count * self.piece_seconds, min(self._times)
        known = [t / p for p, t in self._measured]
        self._worse = self._worse + 1 if known and taken / padded > _BETTER * min(known) else 0
        self._measured.append((padded, taken))
        self._times.clear()
        self._count *= 2
        is_enough = self._worse >= 2 and len(self._measured) >= FEWEST_SIZES
        self._is_over = (
            is_enough
            or self._count * self.piece_seconds > self._ceiling_seconds
            or 2 * taken > _LONGEST_CALL_SECONDS
        )


def measure(
    recognise: Callable[[list[Samples]], object], speech: Samples, ceiling_seconds: float
) -> Tuning:
    """Try sizes one after the other, where nobody waits in between.

    Args:
        recognise: runs a batch; on the inference thread.
        speech: something said, at 16 kHz; repeated to the length needed.
        ceiling_seconds: padded seconds never to go beyond.
    """
    measurement = Measurement(ceiling_seconds)
    while (count := measurement.next()) is not None:
        try:
            measurement.note(timed(recognise, speech, measurement.piece_seconds, count))
        except OutOfMemory:
            measurement.out_of_memory()
    return measurement.result


def timed(
    recognise: Callable[[list[Samples]], object], speech: Samples, seconds: float, count: int
) -> float:
    """How long a call takes with so many pieces of so many seconds."""
    batch = [np.resize(speech, int(seconds * SAMPLE_RATE))] * count
    began = time.perf_counter()
    recognise(batch)
    return time.perf_counter() - began


def conclude(measured: list[tuple[float, float]]) -> Tuning:
    """Draw conclusions from the measured sizes: pairs of padded seconds and seconds taken."""
    best = measured[0]
    for size in measured[1:]:
        if size[1] / size[0] < _BETTER * best[1] / best[0]:
            best = size
    padded, taken = best
    if len(measured) > 1:
        used = [m for m in measured if m[0] <= max(padded, measured[1][0])]
        slope, overhead = np.polyfit([p for p, _ in used], [t for _, t in used], 1)
        cost = float(overhead / slope) if slope > 0 else PIECE_SECONDS
    else:
        cost = 0.0
    return Tuning(
        tuple(measured),
        useful_seconds=padded,
        overhead_seconds=float(np.clip(cost, 0.0, padded)),
        speed=padded / taken,
    )


def key(**facts: Any) -> str:
    """A name for the machine, model and limits a measurement belongs to."""
    text = json.dumps(facts, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def remembered(file: Path, name: str) -> Tuning | None:
    """Read what was measured before under this name."""
    try:
        found = json.loads(file.read_text("utf-8"))[name]
        found["measured"] = tuple((float(p), float(t)) for p, t in found["measured"])
        return Tuning(**found)
    except (OSError, ValueError, KeyError, TypeError):
        return None


def remember(file: Path, name: str, tuning: Tuning) -> None:
    """Keep a measurement for the next start; a file that cannot be written costs no more than
    measuring again."""
    try:
        kept = json.loads(file.read_text("utf-8"))
    except (OSError, ValueError):
        kept = {}
    kept[name] = asdict(tuning)
    fresh = file.with_suffix(".new")
    try:
        fresh.write_text(json.dumps(kept, indent=1), "utf-8")
        os.replace(fresh, file)
    except OSError as error:
        log.warning("tuning_not_kept", file=str(file), error=error.strerror)
