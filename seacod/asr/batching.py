"""Which pieces of speech go through the model together. Arithmetic only; `scheduler.py` acts.

What a batch occupies is its longest piece times their number: *padded seconds*. FunASR's own
`batch_size_s` does not bound that (1.4.16: segments are sorted, and the one that crosses the limit
is included, padding all of the batch to its length), and on the CPU it runs one segment at a time;
so each batch here is one call of its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

# Bulk work comes after all other; when it has waited so long, it takes its turn like any.
_BULK_PATIENCE_SECONDS = 30.0


class WaitingPiece(Protocol):
    """A piece of speech that waits for the model."""

    @property
    def seconds(self) -> float:
        """The length of the piece."""

    @property
    def client(self) -> str:
        """The client that asked; clients take turns."""

    @property
    def is_bulk(self) -> bool: ...

    @property
    def since(self) -> float:
        """When the piece came, in seconds of the clock that gives `now`."""

    @property
    def number(self) -> int:
        """Its number in the order of arrival."""


def choose(
    line: Sequence[WaitingPiece],
    served: Mapping[str, float],
    *,
    budget_seconds: float,
    overhead_seconds: float,
    now: float,
) -> list[int]:
    """Choose the next batch.

    The piece whose turn it is leads: interactive work first, then the client that got least so
    far, then the oldest. Others join it, those of like length first, as long as running them along
    costs less than another call would: a call costs `overhead_seconds` and its padded seconds.

    Args:
        line: everything that waits, in any order; not empty.
        served: seconds each client was given so far.
        budget_seconds: padded seconds a batch may occupy; a single piece may exceed it.
        overhead_seconds: cost of one call, in seconds of audio it could have processed.
        now: the time.

    Returns:
        Indices into `line`, the leading piece first.
    """

    def turn(index: int) -> tuple[bool, float, int]:
        piece = line[index]
        is_behind = piece.is_bulk and now - piece.since < _BULK_PATIENCE_SECONDS
        return (is_behind, served.get(piece.client, 0.0), piece.number)

    leader = min(range(len(line)), key=turn)
    lead = line[leader]
    others = [i for i in range(len(line)) if i != leader]
    others.sort(key=lambda i: (turn(i)[0], abs(line[i].seconds - lead.seconds)))
    batch, longest = [leader], lead.seconds
    for index in others:
        length = line[index].seconds
        stretched = max(longest, length)
        padded = stretched * (len(batch) + 1)
        more = padded - longest * len(batch)
        if padded <= budget_seconds and more <= length + overhead_seconds:
            batch.append(index)
            longest = stretched
    return batch


def padded_seconds(pieces: Sequence[WaitingPiece]) -> float:
    """The padded seconds that pieces occupy together."""
    return max(piece.seconds for piece in pieces) * len(pieces)


class Budget:
    """Padded seconds a batch may have: halved when the device ran out of memory, grown back slowly.

    Args:
        ceiling_seconds: what is allowed when all is well.
    """

    # After so many batches without trouble it grows by this factor.
    _PATIENCE, _GROWTH = 50, 1.25

    def __init__(self, ceiling_seconds: float) -> None:
        self.ceiling_seconds = ceiling_seconds
        self.seconds = ceiling_seconds
        self._well = 0

    def limit(self, ceiling_seconds: float) -> None:
        """A new ceiling; what was halved grows back to it as ever."""
        is_full = self.seconds >= self.ceiling_seconds
        self.ceiling_seconds = ceiling_seconds
        self.seconds = ceiling_seconds if is_full else min(self.seconds, ceiling_seconds)

    def exceeded(self, padded: float) -> None:
        """Halve the budget after a batch of so many padded seconds did not fit."""
        self.seconds = min(self.seconds, padded) / 2
        self._well = 0

    def went_well(self) -> None:
        """Let the budget grow after a batch that fitted."""
        self._well += 1
        if self._well >= self._PATIENCE and self.seconds < self.ceiling_seconds:
            self.seconds = min(self.ceiling_seconds, self.seconds * self._GROWTH)
            self._well = 0
