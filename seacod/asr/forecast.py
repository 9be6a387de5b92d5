"""When each request will be done, if nobody else comes: arithmetic for `admission.py`, which asks
before it lets one in that its deadline would kill.

The scheduler gives clients the same share of the model, and of one client's recordings the older
has its turn first, but a long one sends only some minutes ahead: a short recording beside one of
hours is not behind all of it. What waits for a place at work takes the next that is free.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

# Beyond so many the sum of all is near enough, and adding up takes no time.
_MOST_LOOKED_AT = 200
# Of one recording this much sound waits for the model at most; the rest waits to be decoded. So
# others of its client go beside what has more left.
AHEAD_SECONDS = 300.0


@dataclass(frozen=True, slots=True)
class QueuedWork:
    """A request: whose, and what it still costs, in padded seconds of audio."""

    client: str
    left_seconds: float


def work_until_done(
    mine: int, running: Sequence[QueuedWork], waiting: Sequence[QueuedWork], places: int
) -> float:
    """How much the model has to do, for everybody, until one request is done, in padded seconds.

    Args:
        mine: which one, counted through those that run, then those that wait.
        running: what is worked on.
        waiting: what waits for a place, in the order of arrival.
        places: how many are worked on at once.
    """
    everybody = [*running, *waiting]
    if len(everybody) > _MOST_LOOKED_AT:
        return sum(work.left_seconds for work in everybody)
    left = {number: work.left_seconds for number, work in enumerate(everybody)}
    queue = list(range(len(running), len(everybody)))
    inside = list(range(len(running)))
    done = 0.0
    while True:
        while queue and len(inside) < places:
            inside.append(_take_next(queue, inside, everybody))
        rates = _rates(inside, everybody, left)
        first = min(rates, key=lambda number: left[number] / rates[number])
        step = left[first] / rates[first]
        done += step
        if first == mine:
            return done
        for number, rate in rates.items():
            left[number] = max(0.0, left[number] - step * rate)
        inside.remove(first)


def _take_next(queue: list[int], inside: Sequence[int], everybody: Sequence[QueuedWork]) -> int:
    """Whose client has least in front of it, as `Admission` calls them."""
    ahead = Counter(everybody[number].client for number in inside)
    ranked = []
    for number in queue:
        client = everybody[number].client
        ranked.append((ahead[client], number))
        ahead[client] += 1
    _, chosen = min(ranked)
    queue.remove(chosen)
    return chosen


def _rates(
    inside: Sequence[int], everybody: Sequence[QueuedWork], left: Mapping[int, float]
) -> dict[int, float]:
    """The share of the model that each has; nothing for those that are not in the list."""
    by_client: dict[str, list[int]] = {}
    for number in inside:
        first = by_client.setdefault(everybody[number].client, [])
        if not first or left[first[-1]] > AHEAD_SECONDS:
            first.append(number)
    return {
        number: 1.0 / len(by_client) / len(first)
        for first in by_client.values()
        for number in first
    }
