"""Recordings that were with the model when workers ended, from the table to the refusal."""

from __future__ import annotations

import hashlib
import os
import signal
import tempfile
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from seacod.supervisor.bus import (
    AlertRaised,
    Bus,
    RecordingAcquitted,
    RecordingsSuspected,
    WorkerBlamed,
    WorkerGone,
)
from seacod.supervisor.watch.suspects import Suspects
from seacod.with_model import ModelTable, WithModel

DAY = 86_400.0


def recording(name: str) -> WithModel:
    return WithModel(hashlib.sha256(name.encode()).hexdigest(), name)


class World:
    def __init__(self, directory: Path) -> None:
        self.now = 0.0
        self.path = directory / "with-model"
        self.ends: list[dict[str, int]] = []
        self.alerts: list[AlertRaised] = []
        self.bus = Bus(lambda: None)
        self.bus.subscribe(RecordingsSuspected, lambda event: self.ends.append(event.ends))
        self.bus.subscribe(AlertRaised, self.alerts.append)
        Suspects(ModelTable.fresh(self.path, 32), self.bus, lambda: self.now)

    def end_with(self, *names: str, slot: int = 3) -> dict[str, int]:
        """A worker ends by its own fault while these are with its model."""
        ModelTable(self.path, 32, slot).write(map(recording, names))
        self.bus.publish(WorkerBlamed(100, f"worker{slot}"))
        return self.ends[-1]


def test_what_is_with_the_model_outlives_a_kill(tmp_path: Path) -> None:
    table = ModelTable.fresh(tmp_path / "with-model", 32)
    pid = os.fork()
    if not pid:
        ModelTable(tmp_path / "with-model", 32, 5).write([recording("会议.wav"), recording("b")])
        os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(pid, 0)
    assert table.of("worker5") == [recording("会议.wav"), recording("b")]
    assert table.of("worker4") == []


def test_a_new_worker_begins_with_nothing(tmp_path: Path) -> None:
    path = tmp_path / "with-model"
    ModelTable(path, 32, 5).write([recording("a")])
    ModelTable(path, 32, 5)
    assert ModelTable(path, 32).of("worker5") == []


@given(st.lists(st.text(max_size=200), max_size=60))
def test_any_names_fit(names: list[str]) -> None:
    with tempfile.TemporaryDirectory() as directory:
        table = ModelTable(Path(directory) / "with-model", 2, 1)
        table.write(map(recording, names))
        read = table.of("worker1")
    assert [one.digest for one in read] == [recording(name).digest for name in names[: len(read)]]
    assert len(read) >= min(len(names), 32)


def test_what_two_clients_sent_was_there_at_one_end(tmp_path: Path) -> None:
    """Found by the soak: it was refused after a single end, though it had done nothing."""
    world = World(tmp_path)
    assert world.end_with("a", "a", "b") == {recording("a").digest: 1, recording("b").digest: 1}
    assert not world.alerts


def test_two_ends_are_told_and_counted_by_content(tmp_path: Path) -> None:
    world = World(tmp_path)
    assert world.end_with("a", "b") == {recording("a").digest: 1, recording("b").digest: 1}
    assert not world.alerts
    assert world.end_with("a", slot=20)[recording("a").digest] == 2
    (alert,) = world.alerts
    assert (alert.kind, alert.key) == ("poison", "a")


def test_what_was_heard_to_its_end_is_as_any_other_again(tmp_path: Path) -> None:
    world, digest = World(tmp_path), recording("a").digest
    for _ in range(3):
        assert world.end_with("a")[digest] == 1
        world.bus.publish(RecordingAcquitted(digest))
        assert digest not in world.ends[-1]
    assert not world.alerts


def test_a_worker_that_ends_at_its_start_is_not_blamed_on_what_the_one_before_heard(
    tmp_path: Path,
) -> None:
    world = World(tmp_path)
    assert world.end_with("a")[recording("a").digest] == 1
    for _ in range(3):
        world.bus.publish(WorkerGone("worker3"))
        world.bus.publish(WorkerBlamed(101, "worker3"))
    assert world.ends[-1][recording("a").digest] == 1


def test_what_is_condemned_stays_so(tmp_path: Path) -> None:
    world, digest = World(tmp_path), recording("a").digest
    world.end_with("a")
    world.end_with("a", slot=4)
    world.bus.publish(RecordingAcquitted(digest))
    assert world.ends[-1][digest] == 2


def test_an_end_without_a_recording_suspects_nobody(tmp_path: Path) -> None:
    assert World(tmp_path).end_with() == {}


def test_a_day_later_it_is_forgotten(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.end_with("a")
    world.now = DAY + 1
    assert world.end_with("a")[recording("a").digest] == 1


def test_the_list_is_bounded(tmp_path: Path) -> None:
    world = World(tmp_path)
    for number in range(300):
        ends = world.end_with(f"{number}")
    assert len(ends) == 200
    assert recording("299").digest in ends
