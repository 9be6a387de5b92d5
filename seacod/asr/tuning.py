"""How big a batch is worth while on this machine: measured once, remembered, used by the scheduler.

The cost of a call is taken as `overhead + padded seconds / speed`; a straight line through what was
measured gives both. Sizes that are slower per second of audio than smaller ones are not used.
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
_ROUNDS = 3
# A bigger size must be at least this much better than a smaller one to be used.
_BETTER = 0.97
# With a slow device, small sizes have to do.
_TIME_LIMIT_SECONDS = 6.0


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


def measure(
    recognise: Callable[[list[Samples]], object], speech: Samples, ceiling_seconds: float
) -> Tuning:
    """Try sizes until nothing is gained, the ceiling or the time limit is reached.

    Args:
        recognise: runs a batch; on the inference thread.
        speech: something said, at 16 kHz; repeated to the length needed.
        ceiling_seconds: padded seconds never to go beyond.
    """
    piece = np.resize(speech, int(PIECE_SECONDS * SAMPLE_RATE))
    recognise([piece])
    measured: list[tuple[float, float]] = []
    worse = 0
    began = time.monotonic()
    count = 1
    while count * PIECE_SECONDS <= ceiling_seconds and worse < 2:
        try:
            taken = min(_timed(recognise, [piece] * count) for _ in range(_ROUNDS))
        except OutOfMemory:
            break
        padded = count * PIECE_SECONDS
        if measured and taken / padded > _BETTER * min(t / p for p, t in measured):
            worse += 1
        else:
            worse = 0
        measured.append((padded, taken))
        if time.monotonic() - began + 2 * _ROUNDS * taken > _TIME_LIMIT_SECONDS:
            break
        count *= 2
    if not measured:
        return Tuning.unknown(ceiling_seconds)
    return conclude(measured)


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


def _timed(recognise: Callable[[list[Samples]], object], batch: list[Samples]) -> float:
    began = time.perf_counter()
    recognise(batch)
    return time.perf_counter() - began


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
