"""What the admission promises: requests that were let in are done in time, and whoever was sent
away is let in when it comes back after the time it was told. In simulated time, with the batches
that the scheduler would make."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from pathlib import Path

import pytest

from seacod.asr import batching
from seacod.asr.admission import Admission
from seacod.asr.forecast import QueuedWork, work_until_done
from seacod.asr.hotwords import Hotwords
from seacod.asr.request import RecordingRequest
from seacod.config.limits import LimitSettings
from seacod.errors import QueueFull, SeacodError, TooLong

SPEED, OVERHEAD = 8.0, 1.0
PIECE = 5.0


@dataclass(frozen=True)
class Piece:
    request: RecordingRequest
    client: str
    number: int
    seconds: float = PIECE
    group: str | None = None
    is_bulk: bool = False
    since: float = 0.0


class Machine:
    """A worker in simulated time: the real admission and the real choice of batches; a batch takes
    what the model of the cost says."""

    def __init__(self, *, deadline: float = 100.0, places: int = 8, length: int = 20) -> None:
        self.now = 0.0
        self.limits = LimitSettings(
            request_timeout_seconds=deadline, direct_audio_seconds=3600, concurrent_requests=places
        )
        self.admission = Admission(length, places, 1e6, lambda: SPEED, lambda: self.now)
        self.ends: dict[RecordingRequest, float] = {}
        self._line: list[Piece] = []
        self._inside: list[RecordingRequest] = []
        self._served: dict[str, float] = {}
        self._numbers = itertools.count()

    def post(self, client: str, seconds: float) -> RecordingRequest:
        request = self.come(client, seconds)
        self.read(request, seconds)
        return request

    def come(self, client: str, seconds: float) -> RecordingRequest:
        """Admitted; its header was not read yet."""
        request = RecordingRequest(
            client, Hotwords(), path=Path("one.wav"), limits=self.limits,
            size_bytes=int(seconds * 32_000),
        )  # fmt: skip
        self.admission.admit(request)
        return request

    def read(self, request: RecordingRequest, seconds: float) -> None:
        request.known_seconds = seconds
        try:
            self.admission.weigh(request, seconds)
        except SeacodError:
            self.admission.leave(request)
            raise
        self._inside.append(request)
        self.admission._call_next()

    def run(self, until: float = float("inf")) -> None:
        """Batch after batch, until that time or until nothing is left."""
        while self.now < until:
            self._cut()
            if not self._line:
                self.now = until if until < float("inf") else self.now
                return
            chosen = batching.choose(
                self._line, self._served, budget_seconds=8 * PIECE, overhead_seconds=OVERHEAD,
                now=self.now,
            )  # fmt: skip
            taken = [self._line[i] for i in chosen]
            self._line = [p for i, p in enumerate(self._line) if i not in chosen]
            # The speed that was measured is that of full batches.
            per_second = SPEED * (8 * PIECE + OVERHEAD) / (8 * PIECE)
            self.now += (OVERHEAD + batching.padded_seconds(taken)) / per_second
            for piece in taken:
                self._served[piece.client] = self._served.get(piece.client, 0.0) + PIECE
                piece.request.done_seconds += PIECE
                if piece.request.left_seconds <= 0:
                    self.ends[piece.request] = self.now
                    self.admission.leave(piece.request, is_done=True)

    def _cut(self) -> None:
        for request in [r for r in self._inside if r.has_turn]:
            self._inside.remove(request)
            for _ in range(round(request.work_seconds / PIECE)):
                self._line.append(Piece(request, request.client, next(self._numbers)))


def test_a_flood_is_let_in_as_far_as_its_deadline_goes_and_each_other_is_told_its_own_time() -> (
    None
):
    machine = Machine(deadline=100.0, length=100)
    let_in, sent_away = [], []
    for _ in range(40):
        try:
            let_in.append(machine.post("a", 60.0))
        except QueueFull as refusal:
            assert refusal.retry_after_seconds is not None
            sent_away.append(float(refusal.retry_after_seconds))
    # A hundred seconds at eight times real time are thirteen recordings of a minute.
    assert len(let_in) == 13
    # Each after the one before, not all for the same place.
    assert sent_away == sorted(sent_away)
    assert sent_away[0] == 5.0
    assert sent_away[-1] == pytest.approx(40 * 60 / SPEED - 100, rel=0.05)
    tries, back = 0, []
    for at in sent_away:
        machine.run(until=at)
        came = max(machine.now, at)
        try:
            back.append((machine.post("a", 60.0), came))
        except QueueFull:
            tries += 1
    # The end of a batch may come a little late for one or the other.
    assert tries <= 2
    machine.run()
    assert max(machine.ends[one] for one in let_in) <= 100.0 * 1.02
    assert max(machine.ends[one] - came for one, came in back) <= 100.0 * 1.05


def test_a_thousand_of_one_client_do_not_put_off_another() -> None:
    machine = Machine(deadline=100.0, length=100, places=8)
    for _ in range(1000):
        try:
            machine.post("greedy", 60.0)
        except QueueFull as refusal:
            told = refusal.retry_after_seconds
    assert told is not None and told > 1000
    # It has its share of the model as soon as it has a place.
    try:
        machine.post("person", 60.0)
    except QueueFull as refusal:
        assert refusal.retry_after_seconds is not None
        assert refusal.retry_after_seconds <= 10


def test_who_was_to_come_back_and_did_not_is_forgotten() -> None:
    machine = Machine(deadline=100.0, length=100)
    told = []
    for _ in range(3):
        with pytest.raises(QueueFull) as refusal:
            for _ in range(30):
                machine.post("a", 60.0)
        told.append(refusal.value.retry_after_seconds)
        machine.now = 0.0
    assert told == sorted(set(told), key=lambda seconds: seconds or 0)
    machine.run()
    machine.now = 1000.0
    with pytest.raises(QueueFull) as refusal:
        for _ in range(30):
            machine.post("a", 60.0)
    assert refusal.value.retry_after_seconds == told[0]


@pytest.mark.parametrize("clients", [1, 3, 8, 28])
@pytest.mark.parametrize("present", [1, 5, 12, 27])
def test_the_forecast_for_a_newcomer_is_what_happens(clients: int, present: int) -> None:
    machine = Machine(deadline=10_000.0)
    for number in range(present):
        machine.post(f"c{number % clients}", 20.0 + 15.0 * (number % 4))
    newcomer = machine.post(f"c{present % clients}", 50.0)
    told = machine.admission._work_until_done(newcomer) / SPEED
    machine.run()
    assert told == pytest.approx(machine.ends[newcomer], rel=0.2, abs=6.0)


def test_a_short_one_is_not_refused_behind_one_of_hours() -> None:
    machine = Machine(deadline=30.0)
    machine.limits = machine.limits.model_copy(update={"direct_audio_seconds": 60.0})
    hours = machine.post("archive", 3 * 3600.0)
    assert hours.left_seconds / SPEED > 30.0
    machine.limits = machine.limits.model_copy(update={"direct_audio_seconds": 3600.0})
    short = machine.post("person", 10.0)
    machine.run(until=60.0)
    assert machine.ends[short] < 30.0
    # The same client's second waits for its first.
    with pytest.raises(QueueFull, match="deadline"):
        for _ in range(30):
            machine.post("archive", 60.0)


def test_what_was_not_weighed_counts_in_a_flood() -> None:
    machine = Machine(length=4, places=2)
    for _ in range(6):
        machine.come("a", 60.0)
    with pytest.raises(QueueFull) as refusal:
        machine.come("a", 60.0)
    # Nothing was read; their size says about two minutes each: a WAV file has twice as many bytes
    # a second as the guess. Half of it has to go first.
    assert refusal.value.retry_after_seconds == pytest.approx(6 * 120 / SPEED / 2, rel=0.02)


def test_bytes_a_second_are_learnt() -> None:
    machine = Machine(deadline=10_000.0)
    for _ in range(40):
        machine.post("a", 60.0)
        machine.run()
    assert machine.come("a", 60.0).work_seconds == pytest.approx(60.0, rel=0.05)


def test_one_that_never_could_be_done_is_told_so_and_one_that_might_is_tried() -> None:
    machine = Machine(deadline=10.0)
    with pytest.raises(TooLong, match="batch job") as refusal:
        machine.post("a", 600.0)
    assert refusal.value.retry_after_seconds is None
    assert machine.admission.in_flight == 0
    machine.post("a", 100.0)


def test_a_guess_at_the_length_refuses_nobody_alone() -> None:
    machine = Machine(deadline=10.0)
    request = machine.come("a", 600.0)
    machine.admission.weigh(request, 600.0)


def test_work_of_others_is_counted_by_their_share() -> None:
    hours = QueuedWork("a", 3600.0)
    short = QueuedWork("b", 10.0)
    assert work_until_done(1, [hours, short], [], 2) == pytest.approx(20.0)
    # Without a place it waits for one.
    assert work_until_done(1, [hours], [short], 1) == pytest.approx(3610.0)
    many = [QueuedWork("a", 1.0)] * 5000
    assert work_until_done(4999, many[:8], many[8:], 8) == 5000.0
