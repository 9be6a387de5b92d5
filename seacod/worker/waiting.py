"""A worker before its order: forked from the nursery, all it has is a channel by which the order
comes. Made by `nursery.py`, one ahead of time, so that nobody waits for a fork.

    forked ─▶ preparing ─▶ waiting ─▶ worker
       └─────────┴────────────┴─────▶ ended    with its nursery, or with the supervisor

While it waits it is one thread, without an event loop, a parallel region or a descriptor of the
service's. What it prepares is what a start would touch first: it is thrown away, its pages stay.
"""

from __future__ import annotations

import contextlib
import errno
import os
import select
import signal
import socket
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import NoReturn

import structlog

from seacod import protocol
from seacod.config.schema import Settings
from seacod.errors import EX_OK, EX_SOFTWARE, ProtocolError
from seacod.system.processes.forked import end_with
from seacod.system.processes.parent_death import die_with

log = structlog.get_logger(__name__)

# What an order comes with: the control channel, what it prints to, and then listening sockets; so
# many the kernel passes on at once (SCM_MAX_FD).
MOST_DESCRIPTORS = 253
# One that lives takes its order at once, or after what it is at.
_TAKEN_SECONDS = 2.0
_TAKEN = b"taken"
_WITH_DECODERS, _WITHOUT = b"1", b"0"
# A pid, or the number of an error, less than nothing.
_MAX_TOLD_BYTES = 16


@dataclass(frozen=True, slots=True)
class Inheritance:
    """What a worker is given with its order.

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


@dataclass(frozen=True, slots=True)
class Birth:
    """What is done in a worker.

    Args:
        adopter_pid: whose child it becomes, and with whom it ends.
        let_go: closes what is the nursery's alone.
        prepare: steps while it waits, some hundredths of a second each; none is begun once the
            order is there.
        live: from the order to its end; returns the exit code.
    """

    adopter_pid: int
    let_go: Callable[[], None]
    prepare: Callable[[], Iterable[None]]
    live: Callable[[Inheritance], int]


@dataclass(frozen=True, slots=True)
class WorkerParts:
    """What makes a worker of one that waits.

    Args:
        order: a `Fork`, as it came.
        descriptors: that came with it, before them that to the nursery of decoders.
        has_decoders: whether there is one to that.
    """

    order: bytes
    descriptors: list[int]
    has_decoders: bool


class WaitingWorker:
    """What its nursery has of it.

    Args:
        pid: of it; it is the supervisor's child.
        channel: by which its order goes; whoever closes it ends it.
    """

    def __init__(self, pid: int, channel: socket.socket) -> None:
        self.pid = pid
        self._channel = channel

    @classmethod
    def forked(cls, birth: Birth) -> WaitingWorker:
        """Fork one: twice, so that it becomes the child of the supervisor, which adopts whoever
        lost its parent (PR_SET_CHILD_SUBREAPER).

        Raises:
            OSError: the kernel allows no more processes, or descriptors.
        """
        sys.stdout.flush()
        sys.stderr.flush()
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            with theirs:
                middle = os.fork()
                if not middle:
                    ours.close()
                    _fork_again(theirs, birth)
            os.waitpid(middle, 0)
            told = int(ours.recv(_MAX_TOLD_BYTES) or -errno.ECHILD)
            if told < 0:
                raise OSError(-told, os.strerror(-told))
        except BaseException:
            ours.close()
            raise
        return cls(told, ours)

    @property
    def has_ended(self) -> bool:
        """Whether it is gone: it says nothing before it has its order."""
        try:
            return self._channel.recv(1, socket.MSG_DONTWAIT | socket.MSG_PEEK) == b""
        except BlockingIOError:
            return False
        except OSError:
            return True

    def close(self) -> None:
        """Let it go: it ends, if it has not."""
        self._channel.close()

    def take(self, given: WorkerParts) -> bool:
        """Have it begin.

        Returns:
            Whether it has; if not, it is gone.
        """
        with self._channel:
            try:
                head = _WITH_DECODERS if given.has_decoders else _WITHOUT
                socket.send_fds(self._channel, [head, given.order], given.descriptors)
                self._channel.settimeout(_TAKEN_SECONDS)
                return bool(self._channel.recv(len(_TAKEN)))
            except TimeoutError:
                # It lives and does not hear: stopped, or stuck. Nobody has reaped it, since the
                # supervisor waits for our answer: the pid is its own.
                with contextlib.suppress(ProcessLookupError):
                    os.kill(self.pid, signal.SIGKILL)
            except OSError:
                pass
            return False


def _fork_again(channel: socket.socket, birth: Birth) -> NoReturn:
    """In the middle process, which ends, and in the worker, which tells its pid."""
    middle = os.getpid()
    try:
        pid = os.fork()
    except OSError as error:
        channel.send(b"%d" % -(error.errno or 1))
        os._exit(EX_OK)
    if pid:
        os._exit(EX_OK)

    def live() -> int:
        channel.send(b"%d" % os.getpid())
        birth.let_go()
        os.setsid()
        # The signal is sent when the parent of the moment dies: first it has to be the right one.
        while os.getppid() == middle:
            # Not time.sleep, which asks for a moment of the clock and not for a while: under a
            # clock that somebody moves (libfaketime) that may be no valid one.
            select.select((), (), (), 0.0002)
        if not die_with(birth.adopter_pid):
            return EX_SOFTWARE
        return _wait(channel, birth)

    end_with(live)


def _wait(channel: socket.socket, birth: Birth) -> int:
    """In the worker."""
    try:
        for _ in birth.prepare():
            if select.select([channel], [], [], 0)[0]:
                break
    except Exception as error:
        # What it prepares is thrown away: without it a start takes longer, and says why it fails.
        log.warning("worker_not_prepared", error=f"{type(error).__name__}: {error}")
    packet, descriptors, _, _ = socket.recv_fds(
        channel, 1 + protocol.MAX_LINE_BYTES, MOST_DESCRIPTORS
    )
    if not packet:
        return EX_OK
    with channel:
        channel.send(_TAKEN)
    return birth.live(_understood(packet, descriptors))


def _understood(packet: bytes, descriptors: list[int]) -> Inheritance:
    order = protocol.decode(packet[1:])
    if not isinstance(order, protocol.Fork):
        raise ProtocolError(f"an order cannot be {order.TYPE}")
    decoders = socket.socket(fileno=descriptors.pop(0)) if packet[:1] == _WITH_DECODERS else None
    control, output, *listening = descriptors
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.close(output)
    # Read when a GPU is first used, which is later, and only here.
    os.environ.update(order.environment)
    sockets = [socket.socket(fileno=one) for one in listening]
    http = len(sockets) - order.funasr
    return Inheritance(
        Settings.model_validate_json(order.settings),
        order.slot,
        order.replicas,
        tuple(sockets[:http]),
        tuple(sockets[http:]),
        socket.socket(fileno=control),
        decoders,
    )
