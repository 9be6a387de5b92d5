"""Whatever comes in whatever order - an alert, its end, receivers that are away, a full disk, a
restart, a clock that is set - the operator's last word is true, nothing is lost, nothing invented.

Delivery is what it does to the outbox: everything that waits, in order, and written down after.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from hypothesis import settings as effort
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from in_use import in_use

from seacod.alerts.alert import Message
from seacod.alerts.deduplicator import Deduplicator
from seacod.alerts.outbox import Outbox
from seacod.config.alerts import AlertSettings

KEYS = st.sampled_from(["GPU 0", "GPU 1"])
COOL_DOWN_SECONDS = 900.0


class Operator(RuleBasedStateMachine):
    """What happened, beside what somebody who reads all messages of one channel knows."""

    def __init__(self) -> None:
        super().__init__()
        self.directory = tempfile.TemporaryDirectory()
        self.now = 1_800_000_000.0
        self.settings = AlertSettings(cool_down_seconds=COOL_DOWN_SECONDS, gather_seconds=3)
        self.is_open: dict[str, bool] = {}
        self.happened: dict[str, int] = {}
        self.times: set[float] = set()
        # Of the words on what was only counted.
        self.summed_up: set[float] = set()
        self.told_open: dict[str, bool] = {}
        self.told: dict[str, int] = {}
        self.on_their_way: tuple[Any, list[Message]] | None = None
        self.is_full = False
        self._start()

    def _start(self) -> None:
        self.outbox = Outbox(Path(self.directory.name) / "alerts.sqlite3")
        self.deduplicator = Deduplicator(
            self.outbox, in_use(alerts=self.settings), lambda: ["mail"], clock=lambda: self.now,
            evidence=dict, on_message=lambda: None,
        )  # fmt: skip

    def teardown(self) -> None:
        self.outbox.close()
        self.directory.cleanup()

    @rule(key=KEYS, times=st.integers(1, 3))
    def it_happens(self, key: str, times: int) -> None:
        for _ in range(times):
            self.deduplicator.raised("gpu_lost", "It does not answer.", "无响应。", key=key)
        self.happened[key] = self.happened.get(key, 0) + times
        self.is_open[key] = True
        self.times.add(self.now)

    @rule(key=KEYS)
    def it_ends(self, key: str) -> None:
        self.deduplicator.cleared("gpu_lost", "It answers again.", "已恢复。", key=key)
        self.is_open[key] = False
        self.times.add(self.now)

    @rule(seconds=st.sampled_from([0.0, 60.0, 899.0, 901.0]))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds

    @rule(seconds=st.sampled_from([-4e7, -600.0, 600.0, 4e7]))
    def the_clock_is_set(self, seconds: float) -> None:
        self.now = max(1.0, self.now + seconds)

    @rule()
    def a_tick(self) -> None:
        self.deduplicator.tick()
        self.summed_up.add(self.now)

    @rule()
    def the_disk_is_full(self) -> None:
        self._full(True)

    @rule()
    def the_disk_is_free(self) -> None:
        self._full(False)

    def _full(self, is_full: bool) -> None:
        # SQLite's own refusal of every write; reading goes on as on a full disk.
        self.outbox._db.execute(f"PRAGMA query_only={int(is_full)}")
        self.is_full = is_full

    @precondition(lambda self: not self.is_full and self.on_their_way is None)
    @rule()
    def the_supervisor_is_killed(self) -> None:
        # What was not kept goes with it, as nothing on earth could keep it.
        self.deduplicator.tick()
        self.summed_up.add(self.now)
        self.outbox.close()
        self._start()

    @precondition(lambda self: self.on_their_way is None)
    @rule()
    def a_try_begins(self) -> None:
        messages = self.outbox.waiting("mail")
        sending = self.outbox.sending([one.id for one in messages])
        sending.__enter__()
        self.on_their_way = (sending, messages)

    @precondition(lambda self: self.on_their_way is not None and not self.is_full)
    @rule(is_taken=st.booleans())
    def a_try_ends(self, is_taken: bool) -> None:
        assert self.on_their_way is not None
        sending, messages = self.on_their_way
        sending.__exit__(None, None, None)
        self.on_their_way = None
        if not is_taken:
            return
        self.outbox.delivered([one.id for one in messages], self.now, "ok")
        for one in messages:
            self._read(one)

    def _read(self, message: Message) -> None:
        alert, words = message.alert, message.alert.text["en"]
        is_summary = words.startswith("It happened")
        times = self.summed_up if is_summary else self.times
        assert alert.at in times, "a time at which nothing was"
        count = message.count - 1 + alert.repeated + (not is_summary and not alert.is_recovery)
        self.told[alert.key] = self.told.get(alert.key, 0) + count
        self.told_open[alert.key] = not (alert.is_recovery or words.endswith("It is over."))

    @invariant()
    def what_is_shown_as_open_is_open(self) -> None:
        for key, is_open in self.is_open.items():
            assert self.deduplicator.is_open("gpu_lost", key) == is_open

    @invariant()
    def nothing_is_told_that_did_not_happen(self) -> None:
        for key, told in self.told.items():
            assert told <= self.happened[key]

    @precondition(lambda self: self.on_their_way is None)
    @rule()
    def everything_is_well_for_an_hour(self) -> None:
        self._full(False)
        self.a_tick()
        self.now += 3600.0
        self.a_tick()
        self.a_try_begins()
        self.a_try_ends(is_taken=True)
        for key, is_open in self.is_open.items():
            assert self.told_open.get(key, False) == is_open, "the last word is not so"
        assert {k: n for k, n in self.told.items() if n} == self.happened, "told and happened"


TestOperator = Operator.TestCase
TestOperator.settings = effort(max_examples=400, stateful_step_count=40, deadline=None)
