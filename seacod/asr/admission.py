"""Admission: who may wait, who is next, and who is refused at once.

Two limits stand in front of the model: how many requests may wait, and how many padded seconds of
audio, which is what really keeps it busy. What its deadline would kill is refused, too
(`forecast.py`). Inside, a few requests run at a time; clients take turns.
Where several workers share the work, the limits are those of all of them together.
Lives on the event loop; no locks. `recordings.py` admits each request before anything costly.
"""

from __future__ import annotations

import asyncio
import itertools
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from seacod.asr import forecast
from seacod.asr.forecast import QueuedWork
from seacod.asr.request import RecordingRequest
from seacod.errors import QueueFull, TooLong
from seacod.shared_load import Line
from seacod.system.net.client_places import most_for

# Padded seconds per second of audio before anything was measured: pauses shorten it, padding
# lengthens it.
_FIRST_RATIO = 1.0
# A recording whose header was not read yet, before any other was: between a WAV file and a
# compressed one.
_FIRST_SECONDS_A_BYTE = 1 / 16_000
# Weight of the newest request in what was measured.
_SMOOTHING = 0.1
# With nobody in front, what was measured has to be so wrong for a recording to be done in time.
_HOPELESS = 2.0
# So many of those who were sent away are remembered.
_MOST_EXPECTED = 500
_LONGEST_RETRY_SECONDS = 3600
# How often those who wait are told their position.
_POSITION_SECONDS = 1.0


@dataclass(slots=True)
class Admission:
    """At most `queue_length` requests wait while `concurrent` are being worked on.

    A client that has no request waiting finds some further places (`most_for`), so that one who
    sends hundreds at once does not shut the others out.

    Args:
        queue_length: how many may wait.
        concurrent: how many are worked on at once.
        queue_seconds: padded seconds of audio that may wait in all; one request alone may be more.
        speed: padded seconds the model does in a second, as measured.
        clock: seconds, monotonic.
        others: what the other workers of the service have to do.
    """

    queue_length: int
    concurrent: int
    queue_seconds: float
    speed: Callable[[], float]
    clock: Callable[[], float] = time.monotonic
    others: Callable[[], Sequence[Line]] = tuple
    _requests: dict[int, RecordingRequest] = field(default_factory=dict)
    _numbers: itertools.count[int] = field(default_factory=itertools.count)
    _ratio: float = _FIRST_RATIO
    _seconds_a_byte: float = _FIRST_SECONDS_A_BYTE
    # When those who were sent away were told to come back, whose they are, and what they bring.
    _expected: list[tuple[float, str, float]] = field(default_factory=list)

    def limit(self, queue_length: int, concurrent: int, queue_seconds: float) -> None:
        """New limits, from now on; whoever may be worked on by them has its turn."""
        self.queue_length, self.concurrent = queue_length, concurrent
        self.queue_seconds = queue_seconds
        self._call_next()

    def check_room(self, client: str) -> None:
        """Whether one more of this client's may wait; asked before an upload is read, too.

        Raises:
            QueueFull: with the time after which a place should be free.
        """
        inside = [r for r in self._requests.values() if not r.is_bulk]
        room = most_for(self.queue_length, has_any=any(r.client == client for r in inside))
        others = self.others()
        waiting = (
            len(inside)
            + sum(int(line.inside) for line in others)
            - self.concurrent * (1 + len(others))
        )
        if waiting < room:
            return
        # A place is free when one of those inside is done; half of what waits is a fair guess of
        # when coming back is worth it.
        retry = self._retry_after((self.outstanding_seconds + _outstanding(others)) / 2)
        raise QueueFull(
            f"{waiting} requests are waiting already, which is the limit; try again in {retry} s",
            f"已有 {waiting} 个请求在排队，达到上限；请在 {retry} 秒后重试",
            retry_after_seconds=retry,
        )

    def admit(self, request: RecordingRequest) -> None:
        """Give a request a place in the queue. Jobs get one beside it: they wait on the disk, and
        bound themselves how many run at once.

        Raises:
            QueueFull: with the time after which a place should be free.
        """
        if request.is_bulk:
            request.turn.set()
        else:
            self.check_room(request.client)
        request.number, request.admitted_at = next(self._numbers), self.clock()
        # Until its header was read: a flood counts before anything of it was weighed.
        request.work_seconds = request.size_bytes * self._seconds_a_byte * self._ratio
        self._requests[request.number] = request

    def weigh(self, request: RecordingRequest, audio_seconds: float) -> None:
        """Note how long a recording is, from its header.

        Raises:
            QueueFull: with it, more audio would wait than may, or it would not be done in time.
            TooLong: it would not be done in time if nobody else were here.
        """
        work = audio_seconds * self._ratio
        elsewhere = _outstanding(self.others())
        others = self.outstanding_seconds - request.left_seconds + elsewhere
        request.audio_seconds, request.work_seconds = audio_seconds, work
        if request.known_seconds and request.size_bytes:
            learnt = request.known_seconds / request.size_bytes
            self._seconds_a_byte += _SMOOTHING * (learnt - self._seconds_a_byte)
        if request.is_bulk:
            return
        if others and others + work > self.queue_seconds:
            retry = self._retry_after(others + work - self.queue_seconds)
            raise QueueFull(
                f"{others / 60:.0f} minutes of audio are waiting already; {work / 60:.0f} more "
                f"would pass the limit of {self.queue_seconds / 60:.0f}; try again in {retry} s",
                f"已有 {others / 60:.0f} 分钟的音频在排队，再加 {work / 60:.0f} 分钟将超过 "
                f"{self.queue_seconds / 60:.0f} 分钟的上限；请在 {retry} 秒后重试",
                retry_after_seconds=retry,
            )
        self._check_deadline(request)

    def _check_deadline(self, request: RecordingRequest) -> None:
        """Refuse what would be killed after it has taken the model's time from others.

        Raises:
            QueueFull: with the time after which it would be done within its deadline.
            TooLong: it never would.
        """
        speed, limit = self.speed(), request.timeout_seconds
        alone = request.work_seconds / speed
        if request.known_seconds and alone > _HOPELESS * limit:
            raise TooLong(
                f"the recording would take about {alone:.0f} s on this machine, and its deadline "
                f"is {limit:g} s (limits.request_timeout_seconds); send it as a batch job, which "
                "has none, or cut it into shorter pieces",
                f"该录音在本机约需 {alone:.0f} 秒，超过 {limit:g} 秒的期限"
                "（limits.request_timeout_seconds）；请改用批量任务（无期限），或切成较短的片段",
            )
        until = self._work_until_done(request) / speed
        if until <= limit or until <= alone:
            return
        # What is in front goes on; only that can become less.
        late = min(until - limit, until - alone) + self._expected_seconds(request) / speed
        retry = min(_LONGEST_RETRY_SECONDS, max(1, math.ceil(late)))
        if len(self._expected) < _MOST_EXPECTED:
            self._expected.append((self.clock() + retry, request.client, request.work_seconds))
        raise QueueFull(
            f"behind what waits already this recording would be done in {until:.0f} s, and its "
            f"deadline is {limit:g} s; try again in {retry} s",
            f"按当前排队情况，该录音约需 {until:.0f} 秒才能完成，超过 {limit:g} 秒的期限；"
            f"请在 {retry} 秒后重试",
            retry_after_seconds=retry,
        )

    def _expected_seconds(self, request: RecordingRequest) -> float:
        """Padded seconds that those bring before it who were sent away before: all of its own
        client's, and of each other's no more than that, as the model's time is shared."""
        now = self.clock()
        self._expected = [one for one in self._expected if one[0] > now]
        by_client: dict[str, float] = {}
        for _, client, work in self._expected:
            by_client[client] = by_client.get(client, 0.0) + work
        own = by_client.pop(request.client, 0.0)
        return own + sum(min(work, own + request.work_seconds) for work in by_client.values())

    def _work_until_done(self, request: RecordingRequest) -> float:
        """What the model does until this request is done, for everybody, in padded seconds."""
        present = sorted(
            (r for r in self._requests.values() if not r.is_bulk),
            key=lambda r: (not r.has_turn, r.number),
        )
        work = [QueuedWork(r.client, r.left_seconds) for r in present]
        running = sum(r.has_turn for r in present)
        return forecast.work_until_done(
            present.index(request), work[:running], work[running:], self.concurrent
        )

    async def turn(self, request: RecordingRequest, tell: Callable[[int], None]) -> None:
        """Wait until this request may be worked on.

        Args:
            request: it was admitted.
            tell: given its position, every second.
        """
        self._call_next()
        turn = asyncio.ensure_future(request.turn.wait())
        try:
            while not request.has_turn:
                await asyncio.wait({turn}, timeout=_POSITION_SECONDS)
                if not request.has_turn:
                    tell(self.position(request))
        finally:
            turn.cancel()

    def leave(self, request: RecordingRequest, *, is_done: bool = False) -> None:
        """Remove a request that is over; `is_done` when all of it was recognised."""
        self._requests.pop(request.number, None)
        if is_done and request.audio_seconds > 0:
            ratio = request.done_seconds / request.audio_seconds
            self._ratio += _SMOOTHING * (ratio - self._ratio)
        self._call_next()

    def position(self, request: RecordingRequest) -> int:
        """How many have their turn before this one, itself included; 0 when it is worked on."""
        if request.has_turn:
            return 0
        mine = self._rank(request)
        return sum(self._rank(other) <= mine for other in self._waiting())

    @property
    def waiting(self) -> int:
        return len(self._waiting())

    @property
    def running(self) -> int:
        """Requests, jobs not counted, that are being worked on."""
        return sum(r.has_turn and not r.is_bulk for r in self._requests.values())

    @property
    def inside(self) -> int:
        """Admitted and not over, jobs not counted."""
        return sum(not r.is_bulk for r in self._requests.values())

    @property
    def in_flight(self) -> int:
        """Admitted and not over: waiting ones and running ones."""
        return len(self._requests)

    @property
    def outstanding_seconds(self) -> float:
        """Padded seconds of audio in front of the model, jobs not counted."""
        return sum(r.left_seconds for r in self._requests.values() if not r.is_bulk)

    @property
    def oldest_seconds(self) -> float:
        """How long the longest-running request has been with the model; 0 when idle."""
        started = [r.started_at for r in self._requests.values() if r.started_at is not None]
        return self.clock() - min(started) if started else 0.0

    @property
    def with_the_model(self) -> str:
        """The recordings that are with the model, in words."""
        return "; ".join(r.label for r in self._requests.values() if r.started_at is not None)

    def _waiting(self) -> list[RecordingRequest]:
        return [r for r in self._requests.values() if not r.has_turn]

    def _rank(self, request: RecordingRequest) -> tuple[int, int]:
        """Who has more running already, or more waiting in front of this one, comes later."""
        ahead = sum(
            other.client == request.client
            and not other.is_bulk
            and (other.has_turn or other.number < request.number)
            for other in self._requests.values()
        )
        return (ahead, request.number)

    def _call_next(self) -> None:
        while self.running < self.concurrent and (waiting := self._waiting()):
            min(waiting, key=self._rank).turn.set()

    def _retry_after(self, work_seconds: float) -> int:
        """When so much work should be done."""
        speed = self.speed() + sum(line.speed for line in self.others())
        return min(_LONGEST_RETRY_SECONDS, max(1, math.ceil(work_seconds / speed)))


def _outstanding(others: Sequence[Line]) -> float:
    """Padded seconds of audio in front of the models of the other workers."""
    return sum(line.outstanding_seconds for line in others)
