"""One fallback for several workers: it answers 503 only while none of them serves."""

from __future__ import annotations

from typing import Protocol

from seacod.supervisor.sockets.fallback import Fallback


class FallbackSwitch(Protocol):
    """What a lifecycle does with the fallback."""

    def open(self, reason: str) -> None:
        """Nobody serves; `reason` is one of `fallback.py`'s."""

    def close(self) -> None:
        """A worker is about to serve."""


class SharedFallback:
    """Opens when every replica wants it open.

    Args:
        fallback: the real one.
        count: of the replicas.
    """

    def __init__(self, fallback: Fallback, count: int) -> None:
        self._fallback = fallback
        self._reasons: list[str | None] = [None] * count

    def leaf(self, number: int) -> FallbackSwitch:
        """That of one replica."""
        return _Leaf(self, number)

    def want(self, number: int, reason: str | None) -> None:
        """A replica wants it open, for this reason, or closed."""
        self._reasons[number] = reason
        if reason is not None and None not in self._reasons:
            self._fallback.open(reason)
        else:
            self._fallback.close()


class _Leaf:
    def __init__(self, shared: SharedFallback, number: int) -> None:
        self._shared = shared
        self._number = number

    def open(self, reason: str) -> None:
        self._shared.want(self._number, reason)

    def close(self) -> None:
        self._shared.want(self._number, None)
