"""One fallback for several workers: it answers 503 only while none of them serves."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol


class FallbackAnswers(Protocol):
    """The real fallback; see `fallback.py`."""

    def open(self, reason: str, retry_after_seconds: Callable[[], int]) -> None: ...

    def close(self) -> None: ...


class SharedFallback:
    """Opens when every replica wants it open.

    Args:
        fallback: the real one.
        count: the number of replicas.
    """

    def __init__(self, fallback: FallbackAnswers, count: int) -> None:
        self._fallback = fallback
        self._reasons: list[str | None] = [None] * count
        self._estimates: dict[int, Callable[[], int]] = {}

    def switch(self, number: int, retry_after_seconds: Callable[[], int]) -> FallbackSwitch:
        """The switch of one replica.

        Args:
            number: which.
            retry_after_seconds: asked for each answer: when a worker of it may serve.
        """
        self._estimates[number] = retry_after_seconds
        return FallbackSwitch(self, number)

    def want(self, number: int, reason: str | None) -> None:
        """A replica wants it open, for this reason, or closed (None)."""
        self._reasons[number] = reason
        if reason is not None and None not in self._reasons:
            self._fallback.open(reason, self._retry_after_seconds)
        else:
            self._fallback.close()

    def _retry_after_seconds(self) -> int:
        return min(estimate() for estimate in self._estimates.values())


class FallbackSwitch:
    """What a replica does with the fallback.

    Args:
        shared: the fallback of all replicas.
        number: which replica this is.
    """

    def __init__(self, shared: SharedFallback, number: int) -> None:
        self._shared = shared
        self._number = number

    def open(self, reason: str) -> None:
        """Nobody serves; `reason` is one of `fallback.py`'s."""
        self._shared.want(self._number, reason)

    def close(self) -> None:
        """A worker is about to serve."""
        self._shared.want(self._number, None)
