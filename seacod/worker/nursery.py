"""The nursery: a process that has imported and mapped everything, and from which workers are
forked.

`main.py` says what is loaded and what a worker is. Here is the loop that answers the supervisor,
one message at a time, on the only thread there may be: libraries lock what other threads hold at
the moment of a fork, and whoever had run OpenMP would leave children that hang. So it runs nothing
parallel, touches no GPU and serves nobody, and looks at itself before each fork.
"""

from __future__ import annotations

import gc
import os
import resource
import socket
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from seacod import protocol
from seacod.asr.decoder.births import SharedDecoderNursery
from seacod.config.schema import Settings
from seacod.errors import EX_OK, EX_SOFTWARE, ProtocolError, SeacodError
from seacod.protocol import FromNursery
from seacod.system import heap
from seacod.system.forked import end_with
from seacod.system.parent_death import die_with

# The control channel, what it prints to, and then listening sockets; so many the kernel passes on
# at once (SCM_MAX_FD).
_DESCRIPTORS = 253
# More private memory than this times what it was after loading is a leak.
_GROWTH = 1.5
_GROWTH_BYTES = 128 << 20


@dataclass(frozen=True, slots=True)
class Inheritance:
    """What a worker is given at its birth.

    Args:
        settings: it reads no file of its own.
        slot: its name among the workers of the service.
        replicas: how many share the listening sockets.
        listeners: the shared sockets of page and API.
        funasr: those of FunASR's protocol; none where it has no port.
        control: its end of the channel to the supervisor.
        decoder_nursery: its connection to where its decoders are forked; None where there is none.
    """

    settings: Settings
    slot: str
    replicas: int
    listeners: tuple[socket.socket, ...]
    funasr: tuple[socket.socket, ...]
    control: socket.socket
    decoder_nursery: socket.socket | None = None


class Nursery:
    """The process's end of the channel to the supervisor, and what it takes to fork.

    Args:
        channel: to the supervisor; a message a packet.
        supervisor_pid: whose child each worker becomes.
        live: what a worker does until it ends; returns its exit code.
        decoders: where its workers have their decoders forked; None where they have none.
    """

    def __init__(
        self,
        channel: socket.socket,
        supervisor_pid: int,
        live: Callable[[Inheritance], int],
        decoders: SharedDecoderNursery | None = None,
    ) -> None:
        self._channel = channel
        self._supervisor_pid = supervisor_pid
        self._live = live
        self._decoders = decoders
        self._before = _Condition(0, 0, frozenset())

    def send(self, message: FromNursery) -> None:
        """Any thread may: a packet is whole."""
        self._channel.send(protocol.encode(message))

    def say(self, text: str, extend_seconds: float = 0.0) -> None:
        """What the loading is at."""
        self.send(protocol.Stage(text, extend_seconds))

    def serve(self, load: Callable[[], object]) -> int:
        """Load, then fork whenever the supervisor asks, until it is gone; returns the exit code."""
        try:
            load()
        except SeacodError as error:
            kind = "config" if error.exit_code == 78 else "model"
            self.send(protocol.Fault(kind, error.message, error.exit_code))
            return error.exit_code
        heap.trim()
        # What is there now lives as long as the process: the collector would only write to its
        # pages, each of which would become a worker's own.
        gc.freeze()
        self._before = _Condition.now()
        self._answer_check()
        while True:
            packet, descriptors, _, _ = socket.recv_fds(
                self._channel, protocol.MAX_LINE_BYTES, _DESCRIPTORS
            )
            if not packet:
                return EX_OK
            try:
                message = protocol.decode(packet)
                if isinstance(message, protocol.Fork):
                    self._answer_fork(message, descriptors)
                elif isinstance(message, protocol.Check):
                    self._answer_check()
            except ProtocolError as error:
                self.send(protocol.Refused(error.message))
            finally:
                for descriptor in descriptors:
                    os.close(descriptor)

    def _answer_check(self) -> None:
        if self._decoders is not None:
            self._decoders.look()
        problem = self._before.problem(_Condition.now())
        self.send(protocol.Refused(problem) if problem else protocol.Loaded())

    def _answer_fork(self, message: protocol.Fork, descriptors: list[int]) -> None:
        problem = self._before.problem(_Condition.now(given=len(descriptors)))
        if problem is None:
            try:
                pid = self._fork(message, descriptors)
            except OSError as error:
                problem = f"no process could be forked: {error.strerror}"
        self.send(protocol.Refused(problem) if problem else protocol.Forked(pid))

    def _fork(self, message: protocol.Fork, descriptors: list[int]) -> int:
        """Twice, so that the worker becomes the child of the supervisor, which adopts whoever lost
        its parent (PR_SET_CHILD_SUBREAPER).

        Raises:
            OSError: the kernel allows no more processes.
        """
        sys.stdout.flush()
        sys.stderr.flush()
        reader, writer = os.pipe()
        decoders = self._decoders.connection() if self._decoders is not None else None
        middle = os.fork()
        if not middle:
            self._fork_again(writer, message, descriptors, decoders)
        os.close(writer)
        if decoders is not None:
            decoders.close()
        with os.fdopen(reader, "rb") as told:
            answer = told.read()
        os.waitpid(middle, 0)
        pid = int(answer)
        if pid < 0:
            raise OSError(-pid, os.strerror(-pid))
        return pid

    def _fork_again(
        self,
        writer: int,
        message: protocol.Fork,
        descriptors: list[int],
        decoders: socket.socket | None,
    ) -> NoReturn:
        """In the middle process, which only tells the pid, and in the worker."""
        middle = os.getpid()
        try:
            pid = os.fork()
        except OSError as error:
            pid = -(error.errno or 1)
        if pid:
            os.write(writer, str(pid).encode())
            os._exit(EX_OK)

        def live() -> int:
            os.close(writer)
            self._channel.close()
            if self._decoders is not None:
                self._decoders.forget()
            return self._be_worker(middle, message, descriptors, decoders)

        end_with(live)

    def _be_worker(
        self,
        middle: int,
        message: protocol.Fork,
        descriptors: list[int],
        decoders: socket.socket | None,
    ) -> int:
        os.setsid()
        # The signal is sent when the parent of the moment dies: first it has to be the right one.
        while os.getppid() == middle:
            time.sleep(0.0002)
        if not die_with(self._supervisor_pid):
            return EX_SOFTWARE
        control, output, *listening = descriptors
        os.dup2(output, 1)
        os.dup2(output, 2)
        os.close(output)
        # Read when a GPU is first used, which is later, and only here.
        os.environ.update(message.environment)
        sockets = [socket.socket(fileno=one) for one in listening]
        http = len(sockets) - message.funasr
        return self._live(
            Inheritance(
                Settings.model_validate_json(message.settings),
                message.slot,
                message.replicas,
                tuple(sockets[:http]),
                tuple(sockets[http:]),
                socket.socket(fileno=control),
                decoders,
            )
        )


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
