"""One worker process: started, heard, told, signalled, reaped. Decides nothing.

The child is watched through a pidfd on the event loop (no child-watcher thread), its control
channel and its output through non-blocking descriptors. Everything it does ends up as an event.
"""

from __future__ import annotations

import asyncio
import collections
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence

import structlog

from seacod import logs, protocol
from seacod.config.schema import Settings
from seacod.errors import ProtocolError
from seacod.protocol import FromSupervisor, FromWorker
from seacod.supervisor.workers.events import EventQueue, Exited, Garbled, Received
from seacod.system.interpreter import python
from seacod.system.masking import masked

log = structlog.get_logger(__name__)

WORKER_COMMAND = tuple(python("-m", "seacod", "worker"))

# What a crash report quotes of the worker's own output: the stacks of a few threads must fit in.
_KEPT_LINES = 100
_CHUNK_BYTES = 64 * 1024
# Handed to the supervisor by systemd for itself alone.
_NOT_INHERITED = ("NOTIFY_SOCKET", "WATCHDOG_PID", "WATCHDOG_USEC", "LISTEN_FDS", "LISTEN_PID")


class WorkerProcess:
    """A running (or just ended) worker.

    Args:
        listener: the listening socket the worker inherits.
        command: what to execute; tests put a quick stand-in here.
        settings: what the worker is to use; it reads no file of its own.
        events: where messages and the exit are reported.
        slot: the name under which it writes its metrics; no two live workers share one.
        is_spare: it is to import everything and wait.
        environment: more variables for it.
    """

    def __init__(
        self,
        listener: socket.socket,
        command: Sequence[str],
        settings: Settings,
        events: EventQueue,
        *,
        slot: str,
        is_spare: bool,
        environment: Mapping[str, str],
    ) -> None:
        self.slot = slot
        self._events = events
        self._loop = asyncio.get_running_loop()
        self.last_lines: collections.deque[str] = collections.deque(maxlen=_KEPT_LINES)
        ours, theirs = socket.socketpair()
        output, child_output = os.pipe()
        try:
            self._popen = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=child_output,
                stderr=child_output,
                pass_fds=(listener.fileno(), theirs.fileno()),
                env={
                    **_environment(listener.fileno(), theirs.fileno(), settings),
                    protocol.ENV_SLOT: slot,
                    protocol.ENV_SPARE: "1" if is_spare else "",
                    **environment,
                },
                # A session of its own: Ctrl-C on the terminal is the supervisor's to handle.
                start_new_session=True,
            )
        except BaseException:
            ours.close()
            os.close(output)
            raise
        finally:
            theirs.close()
            os.close(child_output)
        self._control = ours
        self._control.setblocking(False)
        self._output = output
        os.set_blocking(output, False)
        self._partial_line = b""
        self._partial_message = b""
        self._unsent = b""
        self._pidfd = os.pidfd_open(self.pid)
        self._loop.add_reader(self._control, self._on_control)
        self._loop.add_reader(self._output, self._on_output)
        self._loop.add_reader(self._pidfd, self._on_exit)

    @property
    def pid(self) -> int:
        return self._popen.pid

    @property
    def is_alive(self) -> bool:
        return self._popen.returncode is None

    def send(self, message: FromSupervisor) -> None:
        """Queue a message; a worker that is gone or does not listen never blocks us."""
        if self._control.fileno() < 0:
            return
        self._unsent += protocol.encode(message)
        self._flush()

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the worker alone; nothing happens once it has ended."""
        if self.is_alive:
            # Through the pidfd the signal can never hit another process that got the same pid.
            try:
                signal.pidfd_send_signal(self._pidfd, number)
            except ProcessLookupError:
                return

    def kill(self) -> None:
        """End the worker and everything it started, at once."""
        if self.is_alive:
            try:
                os.killpg(self.pid, signal.SIGKILL)
            except (ProcessLookupError, PermissionError):
                self.signal(signal.SIGKILL)

    def close(self) -> None:
        """Let go of every descriptor; the process must have ended or be killed already."""
        for descriptor in (self._control, self._output, self._pidfd):
            if not isinstance(descriptor, int):
                if descriptor.fileno() < 0:
                    continue
                self._loop.remove_writer(descriptor)
            elif descriptor < 0:
                continue
            self._loop.remove_reader(descriptor)
        self._control.close()
        for descriptor in (self._output, self._pidfd):
            if descriptor >= 0:
                os.close(descriptor)
        self._output = self._pidfd = -1

    # -- called by the event loop -----------------------------------------------------------

    def _on_control(self) -> None:
        try:
            chunk = self._control.recv(_CHUNK_BYTES)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            chunk = b""
        if not chunk:
            # The exit itself is the pidfd's to tell.
            self._loop.remove_reader(self._control)
            return
        *lines, rest = (self._partial_message + chunk).split(b"\n")
        if len(rest) > protocol.MAX_LINE_BYTES:
            self._events.put(Garbled(self.pid, f"a line of more than {len(rest)} bytes"))
            rest = b""
        self._partial_message = rest
        for line in lines:
            try:
                message = protocol.decode(line)
            except ProtocolError as error:
                self._events.put(Garbled(self.pid, error.message))
                continue
            if isinstance(message, FromWorker.__args__):  # type: ignore[attr-defined]
                self._events.put(Received(self.pid, message))
            else:
                self._events.put(Garbled(self.pid, f"a worker cannot send {message.TYPE}"))

    def _flush(self) -> None:
        try:
            sent = self._control.send(self._unsent)
        except (BlockingIOError, InterruptedError):
            sent = 0
        except OSError:
            # It is gone or going; the pidfd tells.
            self._unsent = b""
            self._loop.remove_writer(self._control)
            return
        self._unsent = self._unsent[sent:]
        if self._unsent:
            self._loop.add_writer(self._control, self._flush)
        else:
            self._loop.remove_writer(self._control)

    def _on_output(self) -> None:
        try:
            chunk = os.read(self._output, _CHUNK_BYTES)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            chunk = b""
        if not chunk:
            self._loop.remove_reader(self._output)
            return
        self._take_output(chunk)

    def _take_output(self, chunk: bytes) -> None:
        """Relay the lines that are whole now; keep the rest, bounded, for the next time."""
        *lines, rest = (self._partial_line + chunk).split(b"\n")
        self._partial_line = rest[-_CHUNK_BYTES:]
        for line in lines:
            self._relay(line.decode("utf-8", "replace").rstrip("\r"))

    def _relay(self, line: str) -> None:
        """A line the worker printed: kept for the crash report, and shown.

        The worker's events reach the journal by themselves; elsewhere they come this way,
        already rendered.
        """
        if not line.strip():
            return
        line = masked(line)
        self.last_lines.append(line)
        if logs.resolve_format("auto") == "journal":
            log.warning("worker_printed", worker_pid=self.pid, line=line)
        else:
            print(line, file=sys.stderr, flush=True)  # noqa: T201  # it is the worker's

    def _on_exit(self) -> None:
        status = self._popen.poll()
        if status is None:
            return
        self._loop.remove_reader(self._pidfd)
        # What it said last is often why it died: read the pipe empty before telling.
        self._drain_output()
        self._events.put(Exited(self.pid, status))

    def _drain_output(self) -> None:
        while self._output >= 0:
            try:
                chunk = os.read(self._output, _CHUNK_BYTES)
            except OSError:
                break
            if not chunk:
                break
            self._take_output(chunk)
        if self._partial_line:
            self._relay(self._partial_line.decode("utf-8", "replace"))
            self._partial_line = b""


def _environment(listen_fd: int, control_fd: int, settings: Settings) -> dict[str, str]:
    environment = {k: v for k, v in os.environ.items() if k not in _NOT_INHERITED}
    environment[protocol.ENV_LISTEN_FD] = str(listen_fd)
    environment[protocol.ENV_CONTROL_FD] = str(control_fd)
    environment[protocol.ENV_SUPERVISOR_PID] = str(os.getpid())
    environment[protocol.ENV_SETTINGS] = settings.model_dump_json()
    # What `auto` means: its stderr is a pipe. A reload may change log.format to it.
    environment[logs.ENV_FORMAT] = logs.resolve_format("auto")
    environment["PYTHONUNBUFFERED"] = "1"
    environment["PYTHONFAULTHANDLER"] = "1"
    return environment
