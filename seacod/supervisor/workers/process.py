"""One worker process: wanted, forked by a nursery, heard, told, signalled, reaped. Decides nothing.

It is there from the moment it is wanted; its pid comes with the fork (`nurseries.py`). It is our
child then, watched through a pidfd on the event loop, its control channel and its output through
non-blocking descriptors. Everything it does ends up as an event.
"""

from __future__ import annotations

import asyncio
import collections
import contextlib
import os
import signal
import socket
from typing import Protocol

from seacod import protocol
from seacod.errors import ProtocolError
from seacod.protocol import FromSupervisor, FromWorker
from seacod.supervisor.workers.events import Event, EventQueue, Exited, Forked, Garbled, Received
from seacod.supervisor.workers.output import Output

_CHUNK_BYTES = 64 * 1024


class Cancel(Protocol):
    """Told that a process is not wanted any more, which was not forked yet."""

    def __call__(self, process: WorkerProcess) -> None: ...


class WorkerProcess:
    """A worker that is wanted, runs, or has just ended.

    Args:
        events: where messages and the exit are reported.
        slot: the name under which it writes its metrics; no two live workers share one.
        cancel: see `Cancel`.
    """

    def __init__(self, events: EventQueue, slot: str, cancel: Cancel) -> None:
        self.slot = slot
        # 0 until it is forked.
        self.pid = 0
        self._events = events
        self._cancel = cancel
        self._loop = asyncio.get_running_loop()
        self._pidfd = -1
        self._has_ended = False
        self._partial_message = b""
        self._unsent = b""
        self.output = Output()
        self._control, self.their_control = socket.socketpair()
        self._control.setblocking(False)
        self._loop.add_reader(self._control, self._on_control)

    @property
    def last_lines(self) -> collections.deque[str]:
        return self.output.last_lines

    # -- what becomes of it -----------------------------------------------------------------

    def forked(self, pid: int) -> None:
        """It runs, as our child; its ends of everything are with it."""
        self.pid = self.output.pid = pid
        self.their_control.close()
        self.output.handed_over()
        if self._has_ended:
            # Nobody wanted it any more; it is reaped as a stranger.
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            return
        self._events.put(Forked(self.slot))
        self._pidfd = os.pidfd_open(pid)
        self._loop.add_reader(self._pidfd, self._on_exit)

    def stage(self, message: protocol.Stage | protocol.Fault) -> None:
        """What the nursery says while it loads is what this worker would say."""
        self._put(Received(self.slot, message))

    def not_forked(self, status: int) -> None:
        """There is no way to it: as if it had ended at once."""
        if not self._has_ended:
            self._has_ended = True
            self._events.put(Exited(self.slot, status))

    # -- what is done with it ---------------------------------------------------------------

    def send(self, message: FromSupervisor) -> None:
        """Queue a message; a worker that is gone or does not listen never blocks us."""
        if self._control.fileno() < 0:
            return
        self._unsent += protocol.encode(message)
        self._flush()

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the worker alone; nothing happens once it has ended."""
        if self._pidfd >= 0 and not self._has_ended:
            # Through the pidfd the signal can never hit another process that got the same pid.
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._pidfd, number)
        elif number in (signal.SIGTERM, signal.SIGKILL):
            self.not_forked(-number)
            self._cancel(self)

    def kill(self) -> None:
        """End the worker and everything it started, at once."""
        if self._pidfd >= 0 and not self._has_ended:
            # It leads a session of its own.
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, signal.SIGKILL)
        self.signal(signal.SIGKILL)

    def close(self) -> None:
        """Let go of every descriptor; the process must have ended or be killed already."""
        self._has_ended = True
        if self._control.fileno() >= 0:
            self._loop.remove_writer(self._control)
            self._loop.remove_reader(self._control)
            self._control.close()
        self.their_control.close()
        self.output.close()
        if self._pidfd >= 0:
            self._loop.remove_reader(self._pidfd)
            os.close(self._pidfd)
            self._pidfd = -1

    # -- called by the event loop -----------------------------------------------------------

    def _put(self, event: Event) -> None:
        if not self._has_ended:
            self._events.put(event)

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
            self._put(Garbled(self.slot, f"a line of more than {len(rest)} bytes"))
            rest = b""
        self._partial_message = rest
        for line in lines:
            try:
                message = protocol.decode(line)
            except ProtocolError as error:
                self._put(Garbled(self.slot, error.message))
                continue
            if isinstance(message, FromWorker.__args__):  # type: ignore[attr-defined]
                self._put(Received(self.slot, message))
            else:
                self._put(Garbled(self.slot, f"a worker cannot send {message.TYPE}"))

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

    def _on_exit(self) -> None:
        ended = os.waitid(os.P_PIDFD, self._pidfd, os.WEXITED | os.WNOHANG)
        if ended is None:
            return
        self._loop.remove_reader(self._pidfd)
        self.output.drain()
        by_itself = ended.si_code == os.CLD_EXITED
        self._put(Exited(self.slot, ended.si_status if by_itself else -ended.si_status))
        self._has_ended = True
