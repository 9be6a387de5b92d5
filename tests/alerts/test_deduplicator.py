"""What becomes a message: not twice, a count for a storm, a word when it is over."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from in_use import in_use

from seacod.alerts.alert import Message
from seacod.alerts.deduplicator import Deduplicator
from seacod.alerts.outbox import Outbox
from seacod.config.alerts import AlertSettings


class World:
    """A deduplicator with an outbox in memory and a clock that only tests move."""

    channels = ("mail", "webhook")

    def __init__(self, path: Path | str = ":memory:", **settings: Any) -> None:
        self.now = 1_000_000.0
        self.outbox = Outbox(Path(path))
        self.settings = AlertSettings(cool_down_seconds=900, gather_seconds=3, **settings)
        self.deduplicator = Deduplicator(
            self.outbox, in_use(alerts=self.settings), lambda: list(self.channels),
            clock=lambda: self.now, evidence=lambda: {"state": "serving"},
            on_message=self._wake,
        )  # fmt: skip
        self.woken = 0

    def _wake(self) -> None:
        """As the delivery is told that something waits."""
        self.woken += 1

    def crash(self) -> None:
        self.deduplicator.raised("worker_crashed", "It ended.", "已退出。")

    def send(self) -> None:
        for channel in ("mail", "webhook"):
            ids = [message.id for message in self.outbox.waiting(channel)]
            self.outbox.delivered(ids, self.now, "ok")

    def waiting(self) -> list[Message]:
        return self.outbox.waiting("mail")


@pytest.fixture
def world() -> Iterator[World]:
    yield World()


def test_an_alert_waits_for_every_channel(world: World) -> None:
    world.crash()
    (one,) = world.waiting()
    assert one.alert.text == {"en": "It ended.", "zh": "已退出。"}
    assert one.alert.evidence["state"] == "serving"
    assert len(world.outbox.waiting("webhook")) == 1
    assert world.outbox.depth() == 2


def test_a_storm_is_one_message_with_a_count(world: World) -> None:
    for _ in range(1000):
        world.crash()
    (one,) = world.waiting()
    assert one.count == 1000


def test_what_comes_after_it_was_sent_is_counted_and_told_once_the_cool_down_is_over(
    world: World,
) -> None:
    world.crash()
    world.send()
    for _ in range(7):
        world.now += 10
        world.crash()
    assert not world.waiting()
    world.deduplicator.tick()
    assert not world.waiting()
    world.now += 900
    world.deduplicator.tick()
    (one,) = world.waiting()
    assert one.alert.repeated == 7
    world.deduplicator.tick()
    assert len(world.waiting()) == 1


def test_what_was_only_counted_is_in_the_next_message_that_comes_after_the_cool_down(
    world: World,
) -> None:
    world.crash()
    world.send()
    for _ in range(3):
        world.now += 10
        world.crash()
    world.now += 900
    world.crash()
    (one,) = world.waiting()
    assert (one.alert.repeated, one.count) == (3, 1)
    # And is not told a second time.
    world.send()
    world.now += 900
    world.deduplicator.tick()
    assert not world.waiting()


def test_a_message_waits_for_those_that_go_with_it_and_the_delivery_is_woken(world: World) -> None:
    world.crash()
    (one,) = world.waiting()
    assert one.due_at == world.now + world.settings.gather_seconds
    assert world.woken == 1
    # What goes to nobody wakes nobody.
    world.channels = ()
    world.deduplicator.raised("crash_loop", "again", "又")
    assert world.woken == 1


def test_the_end_is_told_once_and_only_if_the_beginning_was(world: World) -> None:
    world.deduplicator.cleared("gpu_memory", "over", "恢复", key="GPU 0")
    assert not world.waiting()
    world.deduplicator.raised("gpu_memory", "full", "满", key="GPU 0")
    world.now += 60
    world.deduplicator.cleared("gpu_memory", "over", "恢复", key="GPU 0")
    world.deduplicator.cleared("gpu_memory", "over", "恢复", key="GPU 0")
    beginning, end = world.waiting()
    assert not beginning.alert.is_recovery
    assert end.alert.is_recovery
    assert end.alert.evidence["lasted_seconds"] == 60


def test_a_condition_that_flaps_is_not_a_storm(world: World) -> None:
    for _ in range(20):
        world.deduplicator.raised("queue_full", "full", "满")
        world.now += 5
        world.deduplicator.cleared("queue_full", "over", "恢复")
        world.now += 5
    assert len(world.waiting()) == 2


def test_keys_are_apart(world: World) -> None:
    for gpu in range(3):
        world.deduplicator.raised("gpu_memory", "full", "满", key=f"GPU {gpu}")
    assert len(world.waiting()) == 3


def test_a_muted_kind_is_remembered_and_not_sent() -> None:
    world = World(muted="worker_crashed, leak")
    world.crash()
    world.deduplicator.raised("crash_loop", "again", "又")
    assert [m.alert.kind for m in world.waiting()] == ["crash_loop"]


def test_what_cannot_be_kept_now_is_kept_later(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(world.outbox, "add", full)
        world.deduplicator.raised("disk_full", "full", "满", key="/x")
        world.deduplicator.tick()
        assert not world.waiting()
    world.deduplicator.tick()
    (one,) = world.waiting()
    assert one.alert.kind == "disk_full"
    # Nor is the end lost, which may well come while the disk is still full.
    with monkeypatch.context() as patch:
        patch.setattr(world.outbox, "add", full)
        world.now += 5
        world.deduplicator.cleared("disk_full", "over", "恢复", key="/x")
        world.deduplicator.tick()
    world.deduplicator.tick()
    end = world.waiting()[-1]
    assert end.alert.is_recovery


def test_an_alert_that_goes_and_comes_for_good_is_not_told_as_over_last(world: World) -> None:
    world.deduplicator.raised("gpu_lost", "lost", "丢失")
    world.deduplicator.cleared("gpu_lost", "over", "恢复")
    for _ in range(2):
        world.deduplicator.raised("gpu_lost", "lost", "丢失")
    assert [(m.alert.is_recovery, m.count) for m in world.waiting()] == [(False, 1), (True, 1)]
    world.send()
    world.now += 901
    world.deduplicator.tick()
    (last,) = world.waiting()
    assert not last.alert.is_recovery
    assert "over" not in last.alert.text["en"]


def test_what_was_kept_late_has_the_time_when_it_was_and_ends(world: World) -> None:
    began = world.now
    world.outbox._db.execute("PRAGMA query_only=1")
    world.deduplicator.raised("worker_crashed", "It ended.", "已退出。", last_recording="a.wav")
    world.now += 1
    world.deduplicator.cleared("worker_crashed", "It serves.", "已恢复。")
    assert not world.deduplicator.is_open("worker_crashed")
    world.now += 3600
    world.outbox._db.execute("PRAGMA query_only=0")
    world.deduplicator.tick()
    beginning, end = world.waiting()
    assert (beginning.alert.at, end.alert.at) == (began, began + 1)
    assert beginning.alert.evidence == {"state": "serving", "last_recording": "a.wav"}
    assert end.alert.evidence["lasted_seconds"] == 1


def test_of_a_storm_on_a_full_disk_the_last_word_of_each_alert_stays(world: World) -> None:
    world.outbox._db.execute("PRAGMA query_only=1")
    world.deduplicator.raised("gpu_lost", "lost", "丢失", key="GPU 3")
    for _ in range(300):
        world.deduplicator.raised("queue_full", "full", "满")
        world.deduplicator.cleared("queue_full", "over", "恢复")
    world.outbox._db.execute("PRAGMA query_only=0")
    world.deduplicator.tick()
    assert world.deduplicator.is_open("gpu_lost", "GPU 3")
    assert not world.deduplicator.is_open("queue_full")


def test_an_end_is_told_though_the_clock_was_set_back_meanwhile(world: World) -> None:
    world.deduplicator.raised("gpu_lost", "lost", "丢失")
    world.now -= 5000
    world.deduplicator.raised("gpu_lost", "lost", "丢失")
    world.now += 10
    world.deduplicator.cleared("gpu_lost", "over", "恢复")
    assert [m.alert.is_recovery for m in world.waiting()] == [False, False, True]


def test_a_count_that_cannot_be_written_down_is_counted_once(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    world.crash()
    with monkeypatch.context() as patch:
        patch.setattr(world.outbox, "remember_last", full)
        world.crash()
    world.deduplicator.tick()
    (one,) = world.waiting()
    assert one.count == 2


def test_what_nobody_was_told_is_no_reason_to_keep_quiet(world: World) -> None:
    world.channels = ()
    world.crash()
    world.deduplicator.cleared("worker_crashed", "over", "恢复")
    world.channels = ("mail",)
    world.deduplicator.cleared("worker_crashed", "over", "恢复")
    assert not world.waiting()
    world.now += 10
    world.crash()
    (one,) = world.waiting()
    assert not one.alert.is_recovery


def test_another_process_goes_on_where_this_one_ended(tmp_path: Path) -> None:
    first = World(tmp_path / "outbox")
    first.deduplicator.raised("crash_loop", "it loops", "循环")
    first.crash()
    # No goodbye: as after SIGKILL.
    second = World(tmp_path / "outbox")
    assert [m.alert.kind for m in second.waiting()] == ["crash_loop", "worker_crashed"]
    second.crash()
    assert [m.count for m in second.waiting()] == [1, 2]
    second.deduplicator.cleared("crash_loop", "over", "恢复")
    assert second.waiting()[-1].alert.is_recovery


@given(
    st.lists(
        st.tuples(st.sampled_from(["raise", "clear", "send", "tick"]), st.floats(0, 2000)),
        max_size=40,
    )
)
def test_nothing_that_happened_is_ever_forgotten(steps: list[tuple[str, float]]) -> None:
    """Every occurrence is in a message that was sent or waits, or still counted for one."""
    world = World()
    happened = told = 0
    for step, pause in steps:
        world.now += pause
        if step == "raise":
            world.deduplicator.raised("queue_full", "full", "满")
            happened += 1
        elif step == "clear":
            world.deduplicator.cleared("queue_full", "over", "恢复")
        elif step == "tick":
            world.deduplicator.tick()
        else:
            told += _occurrences(world.waiting())
            world.send()
    kept = world.outbox.told("queue_full", "")
    told += _occurrences(world.waiting()) + (kept.untold if kept else 0)
    assert told == happened


def _occurrences(messages: list[Message]) -> int:
    """How many times it happened, by these messages."""
    total = 0
    for message in messages:
        words = message.alert.text["en"]
        is_summary = words.startswith("It happened")
        total += message.count - 1 + message.alert.repeated
        total += not is_summary and not message.alert.is_recovery
    return total
