"""How often somebody may try a password: arithmetic only, by address and by name.

Wrong passwords make the next answers slower, then there are none for a while. A try counts from its
beginning, so that many at once are no way around. A name is not locked against those it belongs to:
where it has logged in before, only the address counts.
"""

from __future__ import annotations

import collections
from collections import OrderedDict
from dataclasses import dataclass

from seacod.system.net.addresses import counted

# Wrong passwords are forgotten after this.
WINDOW_SECONDS = 600.0
# So many of them within it, and there is no answer.
MOST_OF_ADDRESS = 20
MOST_OF_NAME = 10
# So many, and answers begin to be slower.
_FREE = 3
_FIRST_PAUSE_SECONDS = 0.25
_LONGEST_PAUSE_SECONDS = 4.0
# Addresses and names that are remembered; of more, those of long ago are forgotten.
_REMEMBERED = 10_000


@dataclass(frozen=True, slots=True)
class Attempt:
    """A try that may be made.

    Args:
        address: where it comes from, as it is counted.
        name: who it says it is.
        at: when it began.
        pause_seconds: how much later it is answered, should it be wrong.
    """

    address: str
    name: str
    at: float
    pause_seconds: float


@dataclass(frozen=True, slots=True)
class AttemptRefused:
    """A try that may not be made.

    Args:
        retry_after_seconds: when the next one may.
    """

    retry_after_seconds: float


class LoginAttempts:
    """What was tried lately."""

    def __init__(self) -> None:
        self._tries: OrderedDict[tuple[str, str], collections.deque[float]] = OrderedDict()
        self._known: OrderedDict[tuple[str, str], None] = OrderedDict()

    def begin(self, address: str, name: str, now: float) -> Attempt | AttemptRefused:
        """Somebody wants to try a password.

        Args:
            address: of the client, as text.
            name: who it says it is.
            now: seconds, monotonic.
        """
        network = counted(address)
        keys = [(("address", network), MOST_OF_ADDRESS)]
        if (network, name) not in self._known:
            keys.append((("name", name), MOST_OF_NAME))
        worst = 0
        for key, most in keys:
            tries = self._lately(key, now)
            if len(tries) >= most:
                return AttemptRefused(tries[-most] + WINDOW_SECONDS - now)
            worst = max(worst, len(tries) * MOST_OF_NAME // most)
        for key, _ in keys:
            self._lately(key, now).append(now)
        pause = 0.0
        if worst >= _FREE:
            pause = min(_LONGEST_PAUSE_SECONDS, _FIRST_PAUSE_SECONDS * 2.0 ** (worst - _FREE))
        return Attempt(network, name, now, pause)

    def was_right(self, attempt: Attempt) -> None:
        """The password was right: the try does not count, and the name is known there."""
        self.was_not_made(attempt)
        self._known[attempt.address, attempt.name] = None
        self._known.move_to_end((attempt.address, attempt.name))
        while len(self._known) > _REMEMBERED:
            self._known.popitem(last=False)

    def was_not_made(self, attempt: Attempt) -> None:
        """Nobody had time to look whether it was right: the try does not count."""
        for key in (("address", attempt.address), ("name", attempt.name)):
            tries = self._tries.get(key)
            if tries and attempt.at in tries:
                tries.remove(attempt.at)

    def _lately(self, key: tuple[str, str], now: float) -> collections.deque[float]:
        tries = self._tries.setdefault(key, collections.deque())
        self._tries.move_to_end(key)
        while tries and tries[0] <= now - WINDOW_SECONDS:
            tries.popleft()
        while len(self._tries) > _REMEMBERED:
            self._tries.popitem(last=False)
        return tries
