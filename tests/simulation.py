"""The lives of workers in simulated time: the real `Replicas` and all below it, on an event loop
whose clock jumps to the next thing that is due (`simulated_clock.py`), with workers that are no
processes (`simulated_worker.py`).

A simulated hour takes a part of a second. `World.check` looks, each time the loop has gone round,
whether the promises of docs/architecture.md hold; what is promised is computed here a second time,
from what was done to the workers, and not asked of the code under test.
"""

from __future__ import annotations

import asyncio
import logging
import random
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import structlog
from simulated_clock import Clock, JumpingLoop
from simulated_worker import Plan, Worker

from seacod import protocol
from seacod.config.schema import Settings
from seacod.errors import ConfigError
from seacod.shared_load import SLOTS_A_REPLICA
from seacod.supervisor.bus import AlertCleared, AlertRaised, Bus, ReplacementEnded, WorkerCrashed
from seacod.supervisor.reload import Reloader
from seacod.supervisor.replica import Replica
from seacod.supervisor.settings import SettingsHolder
from seacod.supervisor.systemd.heartbeats import TaskHeartbeats
from seacod.supervisor.systemd.notify import Notifier
from seacod.supervisor.workers.events import EventQueue, Probed
from seacod.supervisor.workers.host import Host
from seacod.supervisor.workers.lifecycle import Lifecycle
from seacod.supervisor.workers.replicas import Replicas
from seacod.supervisor.workers.states import ServiceState

# What the supervisor may take to notice something: its tick, and a beat's age.
SLACK_SECONDS = 3.0

SECTIONS: dict[str, dict[str, Any]] = {
    "worker": {
        "startup_timeout_seconds": 40, "drain_timeout_seconds": 20, "stop_timeout_seconds": 5,
    },
    "supervisor": {
        "beat_timeout_seconds": 15, "progress_timeout_seconds": 60, "probe_interval_seconds": 5,
        "probe_timeout_seconds": 2, "probe_failures": 3,
        "backoff_initial_seconds": 1, "backoff_max_seconds": 30, "stable_seconds": 60,
        "crash_loop_failures": 5, "crash_loop_window_seconds": 600, "crash_loop_pause_seconds": 300,
    },
}  # fmt: skip


class Fallback:
    """Whether the supervisor itself answers."""

    is_open = False
    reason = ""

    def open(self, reason: str, retry_after_seconds: Callable[[], int]) -> None:
        assert retry_after_seconds() >= 1
        self.is_open, self.reason = True, reason

    def close(self) -> None:
        self.is_open = False


class World:
    """A service in simulated time.

    Args:
        count: of the replicas.
        seed: for the jitter.
        sections: settings that differ from `SECTIONS`.
    """

    def __init__(self, count: int = 1, seed: int = 0, **sections: dict[str, Any]) -> None:
        self.clock = Clock()
        self.loop = JumpingLoop(self.clock)
        self.plan = Plan()
        self.bad_threads: dict[int, dict[str, Any]] = {}
        self.memory_kills = 0
        self.processes: list[Worker] = []
        self.said: list[tuple[Worker, protocol.FromSupervisor]] = []
        self.alerts: list[AlertRaised | AlertCleared] = []
        self.crashes: list[WorkerCrashed] = []
        self.file = Settings.model_validate(
            {
                name: {**SECTIONS.get(name, {}), **sections.get(name, {})}
                for name in {*SECTIONS, *sections}
            }
        )
        self.is_file_broken = False
        self.settings = SettingsHolder(self.file, self._read)
        self.fallback = Fallback()
        self.bus = Bus(self._on_handler_failure)
        host = Host(
            self._start,
            self.clock,
            self,  # type: ignore[arg-type]  # of a cgroup only the count of kills is asked for
            random.Random(seed),
        )
        replicas = [Replica(number, count) for number in range(count)]
        self.bus.subscribe(WorkerCrashed, self._on_crash)
        self.bus.subscribe(ReplacementEnded, self._on_replacement_ended)
        self.bus.subscribe(AlertRaised, self.alerts.append)
        self.bus.subscribe(AlertCleared, self.alerts.append)
        self.loop_run(self._make(replicas, host))
        self._pids = iter(range(100, 1_000_000))
        # What is promised: no start before this moment; one that is asked for may come at once.
        self._failures: list[list[float]] = [[] for _ in replicas]
        self._storms: list[list[float]] = [[] for _ in replicas]
        self._not_before = [0.0] * count
        self._not_after = [float("inf")] * count
        # When a new worker was last asked for, or given up.
        self._replacing_at = [-1.0] * count
        self._broken = ""
        self._awaited: tuple[Callable[[], Any], asyncio.Future[None]] | None = None
        self._stood_still_at = self.beats_again_at = 0.0
        self.stop_asked_at: float | None = None
        self._stops_by = float("inf")
        self.loop.selector.each_turn = self.check
        self.running = self.loop.create_task(self.workers.run(TaskHeartbeats(self.clock.monotonic)))
        self.loop.create_task(self._probe())

    async def _make(self, replicas: list[Replica], host: Host) -> None:
        self.workers = Replicas(replicas, self.settings, host, self.fallback, self.bus)
        self.reloader = Reloader(self.settings, self.workers, self.bus, Notifier(keep=True))

    def loop_run(self, coroutine: Any) -> None:
        self.loop.run_until_complete(coroutine)

    # -- what the world does ----------------------------------------------------------------

    def pass_seconds(self, seconds: float) -> None:
        """The machine goes on."""
        self.loop_run(asyncio.sleep(seconds))

    def _settle(self) -> None:
        """What was put is taken."""
        self.pass_seconds(0.001)

    def until(self, condition: Callable[[], Any], within_seconds: float = 3600.0) -> None:
        """Let time pass until it is so."""
        self._settle()

        async def wait() -> None:
            awaited = self.loop.create_future()
            self._awaited = (condition, awaited)
            await asyncio.wait_for(awaited, within_seconds)

        self.loop_run(wait())

    def stand_still(self, seconds: float) -> None:
        """Nothing of the service runs for a while (a frozen container); the supervisor is the first
        to wake up."""
        self._settle()
        self.clock.now += seconds
        self._stood_still_at = self.clock.now
        self.beats_again_at = self.clock.now + 1.5
        self._stops_by += seconds

    def set_wall_clock(self, seconds: float) -> None:
        self.clock.wall += seconds

    def configure(self, **sections: dict[str, Any]) -> None:
        """Write other settings into the file."""
        dumped = self.file.model_dump(mode="json")
        for name, section in sections.items():
            dumped[name] |= section
        self.file = Settings.model_validate(dumped)

    def reload(self) -> None:
        """SIGHUP."""
        self._replacing_at = [self.clock.now] * len(self._replacing_at)
        self.reloader.reload()

    def recycle(self, number: int, *, may_overlap: bool = True) -> None:
        """A fresh worker is wanted."""
        self._replacing_at[number] = self.clock.now
        life = self.workers.lives[number]
        self.workers.replace_one(life.replica, "it is old", may_overlap=may_overlap)

    def stop(self) -> None:
        """SIGTERM."""
        self._settle()
        now, settings = self.clock.now, self.settings.current
        self._stops_by = min(
            self._stops_by,
            now
            + (settings.server.drain_notice_seconds if self.stop_asked_at is None else 0.0)
            + settings.worker.drain_timeout_seconds
            + settings.worker.stop_timeout_seconds
            + 4.0
            # Until it is seen that a KILL was in vain.
            + 5.0
            + SLACK_SECONDS,
        )
        if self.stop_asked_at is None:
            self.stop_asked_at = now
        self.workers.stop("SIGTERM received")

    def finish(self) -> None:
        """Stop, and see that nothing is left."""
        if not self.running.done():
            self.stop()
        while not self.running.done():
            self.pass_seconds(1.0)
        self.running.result()
        self.loop.selector.each_turn = lambda: None
        left = [
            one.pid
            for one in self.processes
            if (one.is_alive and not one.plan.ignores_kill) or not one.is_closed
        ]
        assert not left, f"left behind: {left}"

    def close(self) -> None:
        self.loop.selector.each_turn = lambda: None
        tasks = asyncio.all_tasks(self.loop)
        for task in tasks:
            task.cancel()
        self.loop.run_until_complete(asyncio.wait_for(_all(tasks), 60))
        self.loop.close()

    def out_of_memory_kills(self) -> int:
        return self.memory_kills

    # -- what is known ----------------------------------------------------------------------

    @property
    def life(self) -> Lifecycle:
        return self.workers.lives[0]

    @property
    def state(self) -> str:
        return self.workers.report.state.value

    def alive(self) -> list[Worker]:
        return [one for one in self.processes if one.is_alive]

    def front(self, number: int = 0) -> Worker:
        """The worker in front of a replica."""
        pid = self.workers.lives[number].report.pid
        return next(one for one in self.processes if one.pid == pid)

    def started(self) -> World:
        """All replicas serve."""
        self.until(lambda: self.workers.serving() == len(self.workers.lives))
        return self

    def told(self) -> list[str]:
        """The kinds of alerts, in order; what is over is marked so."""
        return [
            one.kind if isinstance(one, AlertRaised) else f"{one.kind} over" for one in self.alerts
        ]

    def heard(self, worker: Worker, kind: type[Any]) -> list[Any]:
        """What the supervisor said to a worker, of one kind."""
        return [one for to, one in self.said if to is worker and isinstance(one, kind)]

    def causes(self) -> list[str]:
        """Why workers ended that nobody asked to."""
        return [one.crash.words[0] for one in self.crashes]

    def next_pid(self) -> int:
        return next(self._pids)

    # -- the supervisor's side --------------------------------------------------------------

    def _read(self) -> Settings:
        if self.is_file_broken:
            raise ConfigError("the file is broken", "文件有误")
        return self.file

    def _start(self, settings: Settings, events: EventQueue, **given: Any) -> Worker:
        worker, count = Worker(self, settings, events, **given), len(self._not_before)
        self.processes.append(worker)
        self._check_pace(worker)
        self._promise(
            self.workers._rolling is not None
            or self._is_replacing(worker.replica)
            or settings.asr == self.settings.for_worker(Replica(worker.replica, count)).asr,
            "a start with settings that are not in use",
        )
        return worker

    async def _probe(self) -> None:
        """As `probe.py`, without a socket."""
        while True:
            now = self.settings.current.supervisor
            for life in self.workers.lives if now.probe_interval_seconds else ():
                slot = life.slot
                worker = next((w for w in self.alive() if w.slot == slot), None)
                if worker is not None:
                    is_deaf = worker.illness in ("silent", "deaf")
                    life.events.put(Probed("no answer" if is_deaf else None))
            await asyncio.sleep(now.probe_interval_seconds or 5.0)

    def _on_handler_failure(self) -> None:
        self._promise(False, "an event's handler has failed")

    def _on_crash(self, event: WorkerCrashed) -> None:
        """The promise of the pause, computed from the settings and the crashes alone."""
        self.crashes.append(event)
        number, settings = event.replica.number, self.settings.current.supervisor
        others = [one for one in self.alive() if one.replica == number and not one.is_told_to_end]
        if others:
            return  # a replacement is there already: nothing is to be started
        now, served = self.clock.now, event.crash.served_seconds
        if event.crash.kind == "configuration":
            # Quick tries change nothing, whether it served or not.
            self._not_after[number] = now + settings.crash_loop_pause_seconds
            return
        if served is not None:
            # It served: the next one comes at once, ten times a minute, and then soon.
            was_stable = served >= settings.stable_seconds
            storm = self._storms[number] = [*([] if was_stable else self._storms[number]), now]
            self._failures[number] = []
            many = sum(at > now - 60 for at in storm) > 10
            self._not_before[number] = now + (settings.backoff_initial_seconds / 2 if many else 0)
            self._not_after[number] = now + (5 if many else 0)
            return
        failures = self._failures[number] = [*self._failures[number], now]
        doubled = settings.backoff_initial_seconds * 2 ** (len(failures) - 1)
        step = min(settings.backoff_max_seconds, doubled)
        count = settings.crash_loop_failures
        if any(
            failures[i + count - 1] - failures[i] <= settings.crash_loop_window_seconds
            for i in range(len(failures) - count + 1)
        ):
            step = settings.crash_loop_pause_seconds
        self._not_before[number] = now + step / 2
        self._not_after[number] = now + max(step, settings.crash_loop_pause_seconds)

    def _on_replacement_ended(self, event: ReplacementEnded) -> None:
        """The next replica's turn, or all go back."""
        self._replacing_at = [self.clock.now] * len(self._replacing_at)

    # -- the promises -----------------------------------------------------------------------

    def _promise(self, holds: bool, otherwise: str) -> None:
        """Told by the next `check`, since an error here would only be one of the code's."""
        if not holds and not self._broken:
            self._broken = otherwise

    def _is_replacing(self, number: int) -> bool:
        is_on_its_way = self.workers.lives[number]._rollover.current is not None
        return is_on_its_way or self._replacing_at[number] == self.clock.now

    def _check_pace(self, worker: Worker) -> None:
        early = self._not_before[worker.replica] - self.clock.now
        self._promise(
            early <= 1e-6 or self._is_replacing(worker.replica),
            f"a start {early:.2f} s before its pause was over",
        )

    def sent(self, worker: Worker, message: protocol.FromSupervisor) -> None:
        """The supervisor says something to a worker."""
        self.said.append((worker, message))
        if isinstance(message, protocol.DrainMessage):
            self._promise(
                self.stop_asked_at is not None or self._is_replacing(worker.replica),
                "a worker was drained that nobody asked to go",
            )

    def signalled(self, worker: Worker, number: signal.Signals) -> None:
        """The supervisor sends a signal to a worker."""
        if number == signal.SIGUSR2:
            self._promise(worker.illness is not None, "a worker that owes nothing was given up")

    def check(self) -> None:
        """Each time the loop has gone round."""
        assert not self._broken, self._broken
        if self._awaited is not None and self._awaited[0]():
            future, self._awaited = self._awaited[1], None
            if not future.done():
                future.set_result(None)
        if self.running.done():
            self.running.result()
            return
        now = self.clock.now
        owned = self.workers.pids()
        for worker in self.alive():
            assert worker.pid in owned or not worker.pid, f"{worker.pid} belongs to nobody"
            self._check_that_hangs_are_noticed(worker, now)
        for life in self.workers.lives:
            self._check_replica(life)
        accepting = [one for one in self.alive() if one.accepts]
        assert not (accepting and self.fallback.is_open), "two answer on the same socket"
        states = [life.report.state for life in self.workers.lives]
        if all(
            state in (ServiceState.STARTING, ServiceState.BACKING_OFF, ServiceState.CRASH_LOOPING)
            for state in states
        ):
            assert self.fallback.is_open, f"nobody answers: {[s.value for s in states]}"
        if ServiceState.SERVING in states:
            assert not self.fallback.is_open, "the fallback answers though a worker serves"
        assert now <= self._stops_by, "a stop does not end"

    def _check_replica(self, life: Lifecycle) -> None:
        number = life.replica.number
        mine = [one for one in self.alive() if one.replica == number]
        assert sum(one.accepts for one in mine) <= 1, "two workers in front"
        settings = self.settings.current.supervisor
        stable_seconds = settings.stable_seconds
        if any(one.accepts and self.clock.now - one.served_at >= stable_seconds for one in mine):
            self._failures[number] = []
            self._storms[number] = []
        if life.report.state is ServiceState.ABSENT and self.processes:
            is_over = self.stop_asked_at or self.workers.fatal_exit_code is not None
            assert is_over, "no worker, and none is due"
        if len(mine) == SLOTS_A_REPLICA:
            # Nothing ends those who are there: it is looked again slowly.
            self._not_after[number] = self.clock.now + settings.crash_loop_pause_seconds
        if life.report.state in (ServiceState.BACKING_OFF, ServiceState.CRASH_LOOPING):
            late = self.clock.now - max(self._not_after[number], self._stood_still_at)
            assert late <= SLACK_SECONDS, "the pause is over, and nobody starts"

    def _check_that_hangs_are_noticed(self, worker: Worker, now: float) -> None:
        if worker.illness is None or worker.is_told_to_end:
            return
        if not worker.is_served:
            return  # it is starting: that has a limit of its own
        settings = self.settings.current.supervisor
        limit = {
            "silent": settings.beat_timeout_seconds,
            "stuck": settings.progress_timeout_seconds,
            "deaf": (settings.probe_failures + 1) * settings.probe_interval_seconds,
        }[worker.illness]
        since = max(worker.ill_since, worker.served_at, self._stood_still_at)
        assert now - since <= limit + SLACK_SECONDS, f"{worker.illness}: not noticed"


async def _all(tasks: set[asyncio.Task[Any]]) -> None:
    await asyncio.gather(*tasks, return_exceptions=True)


@contextmanager
def quiet() -> Iterator[None]:
    """No log: a simulated day would fill a file."""
    before = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    try:
        yield
    finally:
        structlog.configure(**before)
