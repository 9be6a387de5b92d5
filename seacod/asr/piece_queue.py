"""The pieces of speech that wait for the model, and who was given how much of its time.

`scheduler.py` owns one and guards it: nothing here is safe for several threads, nothing waits.
`batching.py` decides what goes together.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Sequence
from dataclasses import dataclass

from seacod.asr import batching
from seacod.asr.audio import SAMPLE_RATE, Samples
from seacod.asr.recognisers.base import Recognised
from seacod.asr.request import RecognitionRequest


@dataclass(frozen=True, slots=True)
class PieceResult:
    """What the model made of a piece."""

    recognised: Recognised
    inference_seconds: float


@dataclass(frozen=True, eq=False, slots=True)
class QueuedPiece:
    """A piece of a request. What `batching.py` reads is copied, since it reads it often.

    Args:
        request: whose it is.
        samples: its sound.
        seconds: its length.
        client: who asked.
        is_bulk: a job's, which comes after all others.
        number: its place by arrival.
        since: when it came (monotonic).
        result: what it says, or the error.
    """

    request: RecognitionRequest
    samples: Samples
    seconds: float
    client: str
    is_bulk: bool
    number: int
    since: float
    result: asyncio.Future[PieceResult]


class PieceQueue:
    """Pieces in any order, taken a batch at a time."""

    def __init__(self) -> None:
        self._pieces: list[QueuedPiece] = []
        self._numbers = itertools.count()
        # Seconds of sound of each client that is present.
        self._served: dict[str, float] = {}

    def __bool__(self) -> bool:
        return bool(self._pieces)

    @property
    def seconds(self) -> float:
        return sum(piece.seconds for piece in self._pieces)

    def add(
        self, request: RecognitionRequest, samples: Samples, result: asyncio.Future[PieceResult]
    ) -> None:
        """Append a piece of a request."""
        self._pieces.append(
            QueuedPiece(
                request, samples, len(samples) / SAMPLE_RATE, request.client, request.is_bulk,
                next(self._numbers), time.monotonic(), result,
            )
        )  # fmt: skip

    def put_back(self, batch: Sequence[QueuedPiece]) -> None:
        """Put a batch in front again that did not fit the device."""
        self._pieces = [*batch, *self._pieces]

    def remove(self, request: RecognitionRequest) -> None:
        """Drop the pieces of a request that was given up."""
        self._pieces = [piece for piece in self._pieces if piece.request is not request]

    def take(self, *, budget_seconds: float, overhead_seconds: float) -> list[QueuedPiece]:
        """The next batch, see `batching.choose`; empty when nothing waits."""
        if not self._pieces:
            return []
        chosen = batching.choose(
            self._pieces,
            self._served,
            budget_seconds=budget_seconds,
            overhead_seconds=overhead_seconds,
            now=time.monotonic(),
        )
        lead = self._pieces[chosen[0]].request
        # A suspect is with the model alone: nobody else is to be blamed for it, or it for another.
        chosen = [
            i
            for i in chosen
            if (one := self._pieces[i].request) is lead or not (one.is_suspect or lead.is_suspect)
        ]
        taken = [self._pieces[i] for i in chosen]
        left = set(chosen)
        self._pieces = [piece for i, piece in enumerate(self._pieces) if i not in left]
        self._note_served(taken)
        return taken

    def _note_served(self, taken: Sequence[QueuedPiece]) -> None:
        """Whoever comes anew starts level with the least served."""
        present = {piece.client for piece in self._pieces} | {piece.client for piece in taken}
        level = min((self._served[c] for c in present if c in self._served), default=0.0)
        self._served = {client: self._served.get(client, level) for client in present}
        for piece in taken:
            self._served[piece.client] += piece.seconds
