"""The nursery: a process that has imported and mapped everything, and from which workers are
forked.

`main.py` says what is loaded and what a worker is. Here is the loop that answers the supervisor,
one message at a time, on the only thread there may be: libraries lock what other threads hold at
the moment of a fork, and whoever had run OpenMP would leave children that hang. So it runs nothing
parallel, touches no GPU and serves nobody, and looks at itself before each fork.

One worker is forked ahead (`waiting.py`): it is there when one is wanted.
"""

from __future__ import annotations

import contextlib
import errno
import gc
import os
import resource
import select
import socket
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from seacod import logs, protocol
from seacod.asr.decoder.births import SharedDecoderNursery
from seacod.errors import EX_OK, ProtocolError, SeacodError
from seacod.protocol import FromNursery
from seacod.system.processes import heap
from seacod.system.text.words import Words
from seacod.worker.waiting import MOST_DESCRIPTORS, Birth, Inheritance, WaitingWorker, WorkerParts

# More private memory than this times what it was after loading is a leak.
_GROWTH = 1.5
_GROWTH_BYTES = 128 << 20
# The next worker is forked ahead when nothing was asked for so long: its predecessor starts, and
# people wait for that one.
_REST_SECONDS = 0.05


class Nursery:
    """The process's end of the channel to the supervisor, and what it takes to fork.

    Args:
        channel: to the supervisor; a message a packet.
        supervisor_pid: whose child each worker becomes.
        live: what a worker does until it ends; returns its exit code.
        decoders: where its workers have their decoders forked; None where they have none.
        prepare: what one that is forked ahead does while it waits; see `Birth`.
    """

    def __init__(
        self,
        channel: socket.socket,
        supervisor_pid: int,
        live: Callable[[Inheritance], int],
        decoders: SharedDecoderNursery | None = None,
        prepare: Callable[[], Iterable[None]] = tuple,
    ) -> None:
        self._channel = channel
        self._birth = Birth(supervisor_pid, self._let_go, prepare, live)
        self._decoders = decoders
        self._before = _Condition(0, 0, frozenset())
        self._ahead: WaitingWorker | None = None
        # What came with the request that is being answered.
        self._given: list[int] = []

    def send(self, message: FromNursery) -> None:
        """Any thread may: a packet is whole."""
        self._channel.send(protocol.encode(message))

    def say(self, words: Words, extend_seconds: float = 0.0) -> None:
        """What the loading is at."""
        self.send(protocol.Stage(*words, extend_seconds))

    def serve(self, load: Callable[[], object]) -> int:
        """Load, then fork whenever the supervisor asks, until it is gone; returns the exit code."""
        try:
            load()
        except SeacodError as error:
            kind = "config" if error.exit_code == 78 else "model"
            self.send(protocol.Fault(kind, error.message, error.exit_code, error.chinese))
            return error.exit_code
        heap.trim()
        # What is there now lives as long as the process: the collector would only write to its
        # pages, each of which would become a worker's own.
        gc.freeze()
        self._before = _Condition.now()
        self._answer_check()
        while True:
            if self._ahead is None and not select.select([self._channel], [], [], _REST_SECONDS)[0]:
                self._have_one_ahead()
            packet, self._given, _, _ = socket.recv_fds(
                self._channel, protocol.MAX_LINE_BYTES, MOST_DESCRIPTORS
            )
            if not packet:
                return EX_OK
            try:
                message = protocol.decode(packet)
                if isinstance(message, protocol.Fork):
                    self._answer_fork(packet)
                elif isinstance(message, protocol.Check):
                    self._answer_check()
                elif isinstance(message, protocol.ReopenLogs):
                    logs.reopen()
            except ProtocolError as error:
                self.send(protocol.RefusedMessage(error.message))
            finally:
                self._close_given()

    def _problem(self) -> str | None:
        """Why nothing may be forked; None when it may."""
        known = len(self._given) + (self._ahead is not None)
        return self._before.problem(_Condition.now(known))

    def _answer_check(self) -> None:
        if self._decoders is not None:
            self._decoders.look()
        if self._ahead is not None and self._ahead.has_ended:
            self._ahead.close()
            self._ahead = None
            self.send(protocol.WaitingMessage(0))
        problem = self._problem()
        self.send(protocol.RefusedMessage(problem) if problem else protocol.LoadedMessage())

    def _answer_fork(self, order: bytes) -> None:
        problem = self._problem()
        if problem is None:
            try:
                pid = self._fork(order)
            except OSError as error:
                problem = f"no process could be forked: {error.strerror}"
        self.send(protocol.RefusedMessage(problem) if problem else protocol.ForkedMessage(pid))

    def _fork(self, order: bytes) -> int:
        """The one that waits; another one where it cannot be used.

        Raises:
            OSError: the kernel allows no more processes.
        """
        decoders = self._decoders.connection() if self._decoders is not None else None
        if decoders is not None:
            self._given.insert(0, decoders.detach())
        given = WorkerParts(order, self._given, has_decoders=decoders is not None)
        ahead, self._ahead = self._ahead, None
        if ahead is not None:
            if ahead.take(given):
                return ahead.pid
            self.send(protocol.WaitingMessage(0))
        worker = WaitingWorker.forked(replace(self._birth, prepare=tuple))
        if not worker.take(given):
            raise ChildProcessError(errno.ECHILD, "it ended before its order")
        return worker.pid

    def _have_one_ahead(self) -> None:
        """A worker that waits to be wanted. Where there is none, the next one takes longer: what
        speaks against it is told when one is wanted."""
        if self._problem() is None:
            with contextlib.suppress(OSError):
                self._ahead = WaitingWorker.forked(self._birth)
                self.send(protocol.WaitingMessage(self._ahead.pid))

    def _close_given(self) -> None:
        while self._given:
            os.close(self._given.pop())

    def _let_go(self) -> None:
        """In a worker, of what is ours alone; what it is given comes with its order."""
        # While it waits for that, logrotate may move the file away.
        logs.reopen()
        self._channel.close()
        self._close_given()
        if self._decoders is not None:
            self._decoders.forget()


@dataclass(frozen=True, slots=True)
class _Condition:
    """The process as the kernel sees it: private bytes, descriptors, and files of which it has
    mapped what is no longer on the disk under that name."""

    private_bytes: int
    descriptors: int
    replaced_files: frozenset[str]
    threads: int = 1

    @classmethod
    def now(cls, given: int = 0) -> _Condition:
        """As it is.

        Args:
            given: descriptors that came with a request.
        """
        own = Path("/proc/self")
        _, resident, shared, *_ = (own / "statm").read_text().split()
        private = (int(resident) - int(shared)) * resource.getpagesize()
        replaced = {
            line.split(maxsplit=5)[5].removesuffix(" (deleted)")
            for line in (own / "maps").read_text().splitlines()
            if line.endswith(" (deleted)")
        }
        threads = len(os.listdir(own / "task"))
        return cls(private, len(os.listdir(own / "fd")) - given, frozenset(replaced), threads)

    def problem(self, now: _Condition) -> str | None:
        """Why nothing may be forked, this being how it was after loading; None when it may."""
        if now.threads != 1:
            return f"{now.threads} threads are running where there may be one"
        if now.descriptors > self.descriptors:
            return f"{now.descriptors - self.descriptors} descriptors were not closed"
        if now.private_bytes > self.private_bytes * _GROWTH + _GROWTH_BYTES:
            return f"its memory has grown to {now.private_bytes >> 20} MiB"
        if replaced := sorted(now.replaced_files - self.replaced_files):
            return f"{replaced[0]} was replaced since it was loaded"
        return None
