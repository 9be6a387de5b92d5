"""The nurseries: the processes that workers are forked from, one for each set of settings in use.

There is one, and while new settings are on their way one more. The life of a worker only asks for a
process (`Host.start`); here is what it takes: a nursery, that it has loaded, the request, its
answer. One that dies, hangs, refuses, grows or leaks is replaced by a fresh one, which costs nobody
anything but the next start its quickness.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Mapping, Sequence

import structlog

from seacod import protocol
from seacod.config import changes
from seacod.config.schema import Settings
from seacod.errors import EX_SOFTWARE
from seacod.supervisor.sockets.listener import Listeners
from seacod.supervisor.workers.events import EventQueue
from seacod.supervisor.workers.nursery import NURSERY_COMMAND, NurseryHandle, WorkerBirth
from seacod.supervisor.workers.process import WorkerProcess
from seacod.supervisor.workers.report import NurseryProcess

log = structlog.get_logger(__name__)

CHECK_SECONDS = 10.0
# So often a worker is handed from one nursery to the next, before its start counts as failed.
_TRIES = 2
# One that is lost is made again at a pace of its own: nothing depends on it until a worker goes.
_FIRST_PAUSE_SECONDS = 1.0
_LONGEST_PAUSE_SECONDS = 60.0
# One that could fork for so long begins that anew.
_STABLE_SECONDS = 60.0
# How long whatever was started is given to be gone, at the very end.
_LAST_LOOKS, _LAST_LOOK_SECONDS = 500, 0.01


class Nurseries:
    """
    Args:
        listeners: the shared sockets, for the workers.
        current: the settings that a worker would be started with now.
        command: what a nursery is; tests put a quick stand-in here.
        replicas: how many workers share the socket.
    """

    def __init__(
        self,
        listeners: Listeners,
        current: Callable[[], Settings],
        command: Sequence[str] = NURSERY_COMMAND,
        replicas: int = 1,
    ) -> None:
        http, funasr = listeners.http, listeners.funasr
        self._descriptors = tuple(one.socket.fileno() for one in (*http, *funasr))
        self._funasr = len(funasr)
        self._current = current
        self._command = command
        self._replicas = replicas
        self._loop = asyncio.get_running_loop()
        self._nurseries: list[NurseryHandle] = []
        # Made to load nothing, since one that had loaded could not fork.
        self._is_cold = False
        self._pause_seconds = _FIRST_PAUSE_SECONDS
        self._is_closed = False

    def start(
        self, settings: Settings, events: EventQueue, *, slot: str, environment: Mapping[str, str]
    ) -> WorkerProcess:
        """A worker that is forked as soon as there is a nursery for its settings."""
        process = WorkerProcess(events, slot, self._on_cancelled)
        request = protocol.Fork(
            settings.model_dump_json(), slot, self._replicas, self._funasr, dict(environment)
        )
        self._bear(WorkerBirth(process, settings, request, self._descriptors))
        return process

    async def run(self, touch: Callable[[], None]) -> None:
        """Keep a nursery at hand, and look whether it is well.

        Args:
            touch: called each time round, as proof of life.
        """
        while True:
            touch()
            await asyncio.sleep(CHECK_SECONDS)
            present = self._for(self._current())
            for nursery in list(self._nurseries):
                if present is not None and present.is_loaded and nursery is not present:
                    nursery.retire("its settings are not in use any more")
                else:
                    nursery.check()

    async def close(self) -> None:
        """End them all at once, and be there until nothing that anybody here had started is left:
        the service itself ends."""
        self._is_closed = True
        for nursery in self._nurseries:
            nursery.kill()
        for _ in range(_LAST_LOOKS):
            if not reap_orphans(self.pids):
                return
            await asyncio.sleep(_LAST_LOOK_SECONDS)
        log.warning("processes_left", cause="they did not end with the service")

    def reopen_logs(self) -> None:
        """Every nursery opens its log file anew."""
        for nursery in self._nurseries:
            nursery.reopen_logs()

    @property
    def is_forking(self) -> bool:
        """Whether a worker may be there whose pid is not known yet."""
        return any(nursery.is_forking for nursery in self._nurseries)

    @property
    def pids(self) -> frozenset[int]:
        return frozenset(nursery.pid for nursery in self._nurseries)

    @property
    def newest(self) -> NurseryProcess | None:
        """For the status: the nursery for the present settings."""
        nursery = self._for(self._current())
        return nursery.described() if nursery is not None else None

    # -- births -----------------------------------------------------------------------------

    def _bear(self, birth: WorkerBirth) -> None:
        birth.tries += 1
        try:
            nursery = self._for(birth.settings) or self._made_for(birth.settings)
        except OSError as error:
            log.error("nursery_not_started", cause=str(error))
            birth.process.not_forked(EX_SOFTWARE)
            return
        nursery.bear(birth)

    def _on_cancelled(self, process: WorkerProcess) -> None:
        for nursery in self._nurseries:
            nursery.cancel(process)

    def _for(self, settings: Settings) -> NurseryHandle | None:
        return next((one for one in self._nurseries if _serves(one.settings, settings)), None)

    def _made_for(self, settings: Settings) -> NurseryHandle:
        nursery = NurseryHandle(
            self._command, settings, self._on_gone, self._on_refused, is_cold=self._is_cold
        )
        self._nurseries.append(nursery)
        return nursery

    # -- ends -------------------------------------------------------------------------------

    def _on_refused(self, nursery: NurseryHandle, cause: str) -> None:
        """It forks no more: another one does."""
        if not nursery.was_loaded and not self._is_cold:
            self._is_cold = True
            log.error(
                "nursery_cannot_fork",
                cause=cause,
                hint="something starts threads while it is imported or loaded; from now on each "
                "worker loads the model itself, which takes longer",
            )
        nursery.retire(cause)

    def _on_gone(self, nursery: NurseryHandle, status: int) -> None:
        self._nurseries.remove(nursery)
        if not nursery.is_retired and not self._is_closed:
            cause = f"exit code {status}" if status >= 0 else f"signal {-status}"
            log.warning("nursery_lost", nursery_pid=nursery.pid, cause=cause)
        if (nursery.loaded_for_seconds or 0.0) >= _STABLE_SECONDS:
            self._pause_seconds = _FIRST_PAUSE_SECONDS
        self._loop.call_later(self._pause_seconds, self._tend)
        self._pause_seconds = min(_LONGEST_PAUSE_SECONDS, 2 * self._pause_seconds)
        births = nursery.taken()
        for birth in births:
            # One that ends while it loads has said why: that is what the worker would have said.
            if (nursery.was_loaded or nursery.is_retired) and birth.tries < _TRIES:
                self._bear(birth)
            else:
                birth.process.last_lines.extend(nursery.last_lines)
                birth.process.not_forked(status or EX_SOFTWARE)

    def _tend(self) -> None:
        """Make one anew, for the next worker that is wanted."""
        settings = self._current()
        if not self._is_closed and self._for(settings) is None:
            try:
                self._made_for(settings)
            except OSError as error:
                log.error("nursery_not_started", cause=str(error))
                self._loop.call_later(CHECK_SECONDS, self._tend)


def _serves(made_with: Settings, wanted: Settings) -> bool:
    """Whether workers with these settings can be forked from a nursery made with those: what takes
    effect in a running process is given to the worker anew."""
    changed = changes.compare(made_with, wanted)
    return not (changed.replace or changed.restart)


def reap_orphans(ours: frozenset[int]) -> bool:
    """Reap what has ended after whoever started it: as a subreaper we are its parent then.

    Args:
        ours: the pids of processes that somebody waits for.

    Returns:
        Whether there are children still.
    """
    while True:
        try:
            ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            if ended is None or ended.si_pid in ours:
                return True
            os.waitpid(ended.si_pid, 0)
        except ChildProcessError:
            return False
