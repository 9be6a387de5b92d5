"""One front door for several workers: it answers 503 only while none of them serves."""

from __future__ import annotations

from typing import Protocol

from seacod.supervisor.sockets.fallback import FrontDoor


class Door(Protocol):
    """What a lifecycle does with the front door."""

    def open(self, reason: str) -> None:
        """Nobody serves; `reason` is one of `fallback.py`'s."""

    def close(self) -> None:
        """A worker is about to serve."""


class SharedDoor:
    """Opens when every seat wants it open.

    Args:
        front_door: the real one.
        count: of the seats.
    """

    def __init__(self, front_door: FrontDoor, count: int) -> None:
        self._front_door = front_door
        self._reasons: list[str | None] = [None] * count

    def leaf(self, number: int) -> Door:
        """That of one seat."""
        return _Leaf(self, number)

    def want(self, number: int, reason: str | None) -> None:
        """A seat wants it open, for this reason, or closed."""
        self._reasons[number] = reason
        if reason is not None and None not in self._reasons:
            self._front_door.open(reason)
        else:
            self._front_door.close()


class _Leaf:
    def __init__(self, shared: SharedDoor, number: int) -> None:
        self._shared = shared
        self._number = number

    def open(self, reason: str) -> None:
        self._shared.want(self._number, reason)

    def close(self) -> None:
        self._shared.want(self._number, None)
