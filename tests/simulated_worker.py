"""A worker that is no process: what it does is planned, and it does it on the simulated loop."""

from __future__ import annotations

import collections
import signal
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol

from simulated_clock import Clock, JumpingLoop

from seacod import protocol
from seacod.config.changes import with_values
from seacod.config.schema import Settings
from seacod.supervisor.workers.events import EventQueue, Exited, Forked, Received

BEAT_SECONDS = 2.0


@dataclass(frozen=True)
class Plan:
    """How a worker behaves."""

    load_seconds: float = 3.0
    fork_seconds: float = 0.005
    beats_while_loading: bool = True
    exit_at_start: int | None = None
    never_ready: bool = False
    exit_on_serve: int | None = None
    ignores_term: bool = False
    # The kernel holds it.
    ignores_kill: bool = False
    ignores_drain: bool = False
    drain_seconds: float = 1.0


class Surroundings(Protocol):
    """What a worker is in: a world, which is told what is done to it."""

    clock: Clock
    loop: JumpingLoop
    beats_again_at: float

    def next_pid(self) -> int: ...

    def sent(self, worker: Worker, message: protocol.FromSupervisor) -> None: ...

    def signalled(self, worker: Worker, number: signal.Signals) -> None: ...


class Worker:
    """A worker process that is none."""

    def __init__(
        self,
        world: Surroundings,
        settings: Settings,
        events: EventQueue,
        *,
        slot: str,
        environment: Mapping[str, str],
    ) -> None:
        # As a real one: it is wanted first, and forked then.
        self.pid = 0
        self.slot = slot
        self.settings = settings
        self.replica = int(slot.removeprefix("worker")) // 16
        self.last_lines: collections.deque[str] = collections.deque(["last words"])
        self.plan = world.plan
        if settings.asr.cpu_threads in world.bad_threads:
            self.plan = replace(self.plan, **world.bad_threads[settings.asr.cpu_threads])
        self.is_alive = True
        self.is_closed = False
        self.is_served = False
        self.is_told_to_end = False
        self.is_given_up = False
        self.retired = False
        # Of work that goes on.
        self.progress_age = 0.0
        self.signals: list[tuple[float, signal.Signals]] = []
        # silent: no beats, blocked in all it does; stuck: work does not come back; deaf: no HTTP.
        self.illness: str | None = None
        self.ill_since = self.served_at = world.clock.now
        self.started_at = world.clock.now
        self.exited_at = 0.0
        self._world = world
        self._events = events
        if self.plan.exit_at_start is not None:
            self._later(0.5, self.exit, self.plan.exit_at_start)
        elif not self.plan.never_ready:
            self._later(self.plan.load_seconds, self._ready)
        self._later(self.plan.fork_seconds, self._forked)
        self._later(BEAT_SECONDS, self._beat)

    @property
    def accepts(self) -> bool:
        """Whether it takes connections from the socket."""
        return self.is_alive and self.is_served and not self.is_told_to_end

    def fall_ill(self, illness: str | None) -> None:
        self.illness, self.ill_since = illness, self._world.clock.now

    def exit(self, status: int) -> None:
        if self.is_alive:
            self.is_alive, self.exited_at = False, self._world.clock.now
            self._events.put(Exited(self.slot, status))

    # -- what the supervisor does with it ---------------------------------------------------

    def send(self, message: protocol.FromSupervisor) -> None:
        self._world.sent(self, message)
        if not self.is_alive:
            return
        if isinstance(message, protocol.Serve):
            self.is_served, self.served_at = True, self._world.clock.now
            if self.plan.exit_on_serve is not None:
                self._later(0.2, self.exit, self.plan.exit_on_serve)
        elif isinstance(message, protocol.Retire):
            self.retired = True
        elif isinstance(message, protocol.Reload):
            self.settings = with_values(self.settings, message.changes)
        elif isinstance(message, protocol.DrainMessage):
            self.is_told_to_end = True
            if not self.plan.ignores_drain:
                self._later(self.plan.drain_seconds, self._drained)

    def signal(self, number: signal.Signals) -> None:
        self._world.signalled(self, number)
        self.signals.append((self._world.clock.now, number))
        if number == signal.SIGUSR2:
            self.is_given_up = True
        if number == signal.SIGTERM:
            self.is_told_to_end = True
            if not self.plan.ignores_term and self.illness != "silent":
                self._later(0.1, self.exit, 0)

    def kill(self) -> None:
        self.signals.append((self._world.clock.now, signal.SIGKILL))
        self.is_told_to_end = True
        if not self.plan.ignores_kill:
            self._later(0.01, self.exit, -signal.SIGKILL)

    def close(self) -> None:
        self.is_closed = True

    # -- what it does by itself -------------------------------------------------------------

    def _later(self, seconds: float, action: Callable[..., None], *arguments: Any) -> None:
        self._world.loop.call_later(seconds, action, *arguments)

    def say(self, message: protocol.FromWorker) -> None:
        """Tell the supervisor something."""
        self._say(message)

    def _say(self, message: protocol.FromWorker) -> None:
        if self.is_alive and self.illness != "silent":
            self._events.put(Received(self.slot, message))

    def _forked(self) -> None:
        if self.is_alive:
            self.pid = self._world.next_pid()
            self._events.put(Forked(self.slot))

    def _ready(self) -> None:
        self._say(protocol.Ready("simulated", "cpu", 0.1))

    def _drained(self) -> None:
        self._say(protocol.Drained(0, 0))
        if self.illness != "silent":
            self.exit(0)

    def _beat(self) -> None:
        if not self.is_alive:
            return
        now = self._world.clock.now
        age = max(0.1, now - self.ill_since) if self.illness == "stuck" else self.progress_age
        may_beat = self.is_served or self.plan.beats_while_loading
        if may_beat and now >= self._world.beats_again_at:
            self._say(protocol.Beat(0, 0, age, age))
        self._later(BEAT_SECONDS, self._beat)
