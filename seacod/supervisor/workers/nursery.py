"""One nursery process, as the supervisor sees it: started, asked for workers, checked, ended.

`nurseries.py` owns it and is told when it is gone or refuses; the other side is
`seacod/worker/nursery.py`. Everything is on the event loop; nothing waits.
"""

from __future__ import annotations

import asyncio
import collections
import contextlib
import os
import signal
import socket
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import structlog

from seacod import logs, protocol
from seacod.config.schema import Settings
from seacod.errors import ProtocolError
from seacod.supervisor.clock import Moment
from seacod.supervisor.workers.output import Output
from seacod.supervisor.workers.process import WorkerProcess
from seacod.supervisor.workers.report import NurseryProcess
from seacod.system.processes.interpreter import python

log = structlog.get_logger(__name__)

NURSERY_COMMAND = tuple(python("-m", "seacod", "worker"))

# One that has loaded answers in milliseconds.
_ANSWER_SECONDS = 5.0
# Handed to the supervisor by systemd for itself alone.
_NOT_INHERITED = (
    "NOTIFY_SOCKET", "WATCHDOG_PID", "WATCHDOG_USEC", "FDSTORE", "LISTEN_FDS", "LISTEN_PID",
    "LISTEN_FDNAMES",
)  # fmt: skip


@dataclass(slots=True)
class WorkerBirth:
    """A worker that is to be forked.

    Args:
        process: is told its pid, or that it has none.
        settings: what it is to use.
        request: the same for the nursery.
        listeners: descriptors of the shared sockets: page and API, then FunASR's protocol.
    """

    process: WorkerProcess
    settings: Settings
    request: protocol.Fork
    listeners: tuple[int, ...]
    tries: int = 0


class NurseryHandle:
    """
    Args:
        command: what to execute.
        settings: what it loads.
        on_gone: called when it has ended, with its exit status.
        on_refused: called when it says that it cannot fork, and why.
        is_cold: it is to load nothing.
    """

    def __init__(
        self,
        command: Sequence[str],
        settings: Settings,
        on_gone: Callable[[NurseryHandle, int], None],
        on_refused: Callable[[NurseryHandle, str], None],
        *,
        is_cold: bool,
    ) -> None:
        self.settings = settings
        self._began = Moment()
        self.is_loaded = False
        self.was_loaded = False
        # Why it was told to go; empty while it was not.
        self.is_retired = ""
        self._loaded_at: float | None = None
        self._on_gone = on_gone
        self._on_refused = on_refused
        self._loop = asyncio.get_running_loop()
        self._waiting: collections.deque[WorkerBirth] = collections.deque()
        # The one the nursery is at.
        self._asked: WorkerBirth | None = None
        # The worker that is forked ahead; 0 while there is none.
        self._waiting_pid = 0
        self._late: asyncio.TimerHandle | None = None
        self._channel, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._output = Output()
        try:
            self._popen = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=self._output.theirs,
                stderr=self._output.theirs,
                pass_fds=(theirs.fileno(),),
                env=_environment(theirs.fileno(), settings, is_cold=is_cold),
                # A session of its own: Ctrl-C on the terminal is the supervisor's to handle.
                start_new_session=True,
            )
        except BaseException:
            self._channel.close()
            self._output.close()
            raise
        finally:
            theirs.close()
        self._output.handed_over()
        self._output.pid = self.pid
        self._channel.setblocking(False)
        self._pidfd = os.pidfd_open(self.pid)
        self._loop.add_reader(self._channel, self._on_message)
        self._loop.add_reader(self._pidfd, self._on_exit)
        log.info("nursery_started", nursery_pid=self.pid)

    @property
    def pid(self) -> int:
        return self._popen.pid

    @property
    def last_lines(self) -> collections.deque[str]:
        return self._output.last_lines

    @property
    def is_forking(self) -> bool:
        return self._asked is not None

    @property
    def loaded_for_seconds(self) -> float | None:
        """How long it has been able to fork; None if it never was."""
        return None if self._loaded_at is None else self._loop.time() - self._loaded_at

    def described(self) -> NurseryProcess:
        state = "ready" if self.is_loaded else "loading"
        return NurseryProcess(self.pid, state, self._began.unix_seconds, self._waiting_pid or None)

    # -- what is done with it ---------------------------------------------------------------

    def bear(self, birth: WorkerBirth) -> None:
        """Fork this worker, as soon as it can."""
        self._waiting.append(birth)
        self._ask()

    def cancel(self, process: WorkerProcess) -> None:
        """A worker is not wanted any more. Nobody else waits for a nursery that still loads: it
        may never be done."""
        mine = [birth for birth in self._waiting if birth.process is process]
        for birth in mine:
            self._waiting.remove(birth)
        if mine and not self.was_loaded and not self._waiting:
            self.retire("it took too long to load, or nobody waits for it")

    def check(self) -> None:
        """Have it look at itself; it has to answer."""
        if self.is_loaded and self._asked is None and self._late is None:
            self._send(protocol.Check(), [])

    def reopen_logs(self) -> None:
        """Tell it that its log file was moved away; one that loads hears of it when it is done."""
        with contextlib.suppress(OSError):
            self._channel.send(protocol.encode(protocol.ReopenLogs()))

    def retire(self, cause: str) -> None:
        """It is not needed any more, or no good any more."""
        if not self.is_retired:
            self.is_retired = cause
            self.is_loaded = False
            log.info("nursery_retired", nursery_pid=self.pid, cause=cause)
        self.kill()

    def kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)

    def taken(self) -> list[WorkerBirth]:
        """The workers it has not forked, which are no longer its own."""
        births = [*([self._asked] if self._asked is not None else []), *self._waiting]
        self._asked = None
        self._waiting.clear()
        return births

    # -- called by the event loop -----------------------------------------------------------

    def _ask(self) -> None:
        if self.is_loaded and self._asked is None and self._waiting:
            self._asked = birth = self._waiting.popleft()
            process = birth.process
            theirs = [process.their_control.fileno(), process.output.theirs, *birth.listeners]
            self._send(birth.request, theirs)

    def _send(self, message: protocol.ToNursery, descriptors: list[int]) -> None:
        if self._late is None:
            self._late = self._loop.call_later(_ANSWER_SECONDS, self._on_late)
        # One that is gone is told by the pidfd.
        with contextlib.suppress(OSError):
            socket.send_fds(self._channel, [protocol.encode(message)], descriptors)

    def _on_late(self) -> None:
        self._late = None
        self.retire(f"it did not answer within {_ANSWER_SECONDS:g} s")

    def _on_message(self) -> None:
        self._channel_has_more()

    def _channel_has_more(self) -> bool:
        """Take one message in, if there is one."""
        try:
            packet = self._channel.recv(protocol.MAX_LINE_BYTES)
        except (BlockingIOError, InterruptedError):
            return False
        except OSError:
            packet = b""
        if not packet:
            self._loop.remove_reader(self._channel)
            return False
        self._take(packet)
        return True

    def _take(self, packet: bytes) -> None:
        try:
            message = protocol.decode(packet)
        except ProtocolError as error:
            log.warning("nursery_sent_garbage", nursery_pid=self.pid, problem=error.message)
            return
        if isinstance(message, (protocol.Stage, protocol.Fault)):
            for birth in self._waiting:
                birth.process.stage(message)
            return
        if isinstance(message, protocol.WaitingMessage):
            self._on_waiting(message.pid)
            return
        if self._late is not None:
            self._late.cancel()
            self._late = None
        if isinstance(message, protocol.LoadedMessage):
            self._on_loaded()
        elif isinstance(message, protocol.ForkedMessage) and self._asked is not None:
            birth, self._asked = self._asked, None
            if message.pid == self._waiting_pid:
                self._waiting_pid = 0
            birth.process.forked(message.pid)
        elif isinstance(message, protocol.RefusedMessage):
            self._on_refused(self, message.cause)
        self._ask()

    def _on_waiting(self, pid: int) -> None:
        if pid:
            log.info("worker_forked_ahead", worker_pid=pid, nursery_pid=self.pid)
        else:
            log.warning(
                "waiting_worker_lost", worker_pid=self._waiting_pid, nursery_pid=self.pid,
                hint="it served nobody; another one is forked",
            )  # fmt: skip
        self._waiting_pid = pid

    def _on_loaded(self) -> None:
        if not self.was_loaded:
            self.is_loaded = self.was_loaded = True
            self._loaded_at = self._loop.time()
            seconds = round(self._began.age_seconds, 2)
            log.info("nursery_loaded", nursery_pid=self.pid, seconds=seconds)

    def _on_exit(self) -> None:
        status = self._popen.poll()
        if status is None:
            return
        self._loop.remove_reader(self._pidfd)
        # What it said last is why it ended, and may not have been read yet.
        while self._channel_has_more():
            pass
        self._output.drain()
        self._output.close()
        self._channel.close()
        os.close(self._pidfd)
        if self._late is not None:
            self._late.cancel()
        self.is_loaded = False
        self._on_gone(self, status)


def _environment(channel: int, settings: Settings, *, is_cold: bool) -> dict[str, str]:
    environment = {k: v for k, v in os.environ.items() if k not in _NOT_INHERITED}
    environment[protocol.ENV_NURSERY_FD] = str(channel)
    environment[protocol.ENV_SUPERVISOR_PID] = str(os.getpid())
    environment[protocol.ENV_SETTINGS] = settings.model_dump_json()
    if is_cold:
        environment[protocol.ENV_COLD] = "1"
    # What `auto` means: its stderr is a pipe. A reload may change log.format to it.
    environment[logs.ENV_FORMAT] = logs.resolve_format("auto")
    environment["PYTHONUNBUFFERED"] = "1"
    environment["PYTHONFAULTHANDLER"] = "1"
    return environment
