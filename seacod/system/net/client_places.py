"""Places of one kind, and which clients have them: one that takes all of them does not shut the
others out. Used for the queue, for microphones, and for connections that stay.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterator


def most_for(most: int, *, has_any: bool) -> int:
    """How many places there are for a client: who has none yet finds a quarter more.

    Args:
        most: how many there are; 0 for none at all.
        has_any: whether it has one already.
    """
    return most if has_any or not most else most + max(1, most // 4)


class ClientPlaces:
    """Whose they are."""

    def __init__(self) -> None:
        self._held: Counter[str] = Counter()

    def __len__(self) -> int:
        return self._held.total()

    def has_room(self, client: str, most: int, others: int = 0) -> bool:
        """Whether this client may have one more.

        Args:
            client: who asks.
            most: how many there are; see `most_for`.
            others: how many are held elsewhere.
        """
        return len(self) + others < most_for(most, has_any=client in self._held)

    @contextlib.contextmanager
    def held(self, client: str) -> Iterator[None]:
        """One of them for the time of the block."""
        self._held[client] += 1
        try:
            yield
        finally:
            self._held[client] -= 1
            if not self._held[client]:
                del self._held[client]
