"""The nursery of decoders: a process that has imported and loaded all that a decoder needs, and
from which decoders are forked in a moment.

`process.py` runs it; `births.py` has those who ask. It is executed with a clean environment, never
forked from a worker, so that no password of ours is in the memory of a decoder; and it touches no
recording. It outlives whoever started it: it ends when nobody is connected any more.

What is asked, a packet each: `join` with a connection for another worker, and `fork PID`, the
worker's own, with the two sockets of the decoder and what it prints to. What is told: `joined`;
`born PID` with a handle (pidfd), or `refused ERRNO`; later `ended PID EXIT-CODE`. Whoever goes
takes its decoders along.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import os
import selectors
import signal
import socket
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import NoReturn

from seacod.errors import EX_OK, EX_SOFTWARE
from seacod.system.processes import heap
from seacod.system.processes.forked import end_with
from seacod.system.processes.parent_death import die_with

JOIN, JOINED = b"join", b"joined"
FORK, BORN, REFUSED, ENDED = b"fork", b"born", b"refused", b"ended"
MAX_PACKET_BYTES = 64
# Its two sockets, and what it prints to.
_DESCRIPTORS = 3
_PR_SET_NAME = 15


@dataclass(frozen=True, slots=True)
class _DecoderChild:
    """A child: its pid, and the connection of whose it is."""

    pid: int
    owner: socket.socket


class DecoderNursery:
    """
    Args:
        decode: what a decoder does with its two sockets until it ends.
    """

    def __init__(self, decode: Callable[[socket.socket, socket.socket], None]) -> None:
        self._decode = decode
        self._own_pid = os.getpid()
        self._selector = selectors.DefaultSelector()
        self._connections: set[socket.socket] = set()
        # By their handles.
        self._decoders: dict[int, _DecoderChild] = {}

    def serve(self, connection: socket.socket) -> None:
        """Fork whenever somebody asks, until nobody is connected any more.

        Args:
            connection: to whoever started this process.
        """
        heap.trim()
        # The collector would only write to pages, each of which would become a decoder's own.
        gc.freeze()
        self._admit(connection)
        while self._connections:
            for key, _ in self._selector.select():
                key.data()

    def _admit(self, connection: socket.socket) -> None:
        self._connections.add(connection)
        self._selector.register(connection, selectors.EVENT_READ, partial(self._hear, connection))

    def _let_go(self, connection: socket.socket) -> None:
        """Its worker has ended, or needs us no more."""
        self._selector.unregister(connection)
        self._connections.remove(connection)
        connection.close()
        for handle, decoder in self._decoders.items():
            if decoder.owner is connection:
                with contextlib.suppress(ProcessLookupError):
                    signal.pidfd_send_signal(handle, signal.SIGKILL)

    def _hear(self, connection: socket.socket) -> None:
        try:
            packet, descriptors, _, _ = socket.recv_fds(connection, MAX_PACKET_BYTES, _DESCRIPTORS)
        except OSError:
            packet, descriptors = b"", []
        if not packet:
            self._let_go(connection)
            return
        what, *given = packet.split()
        try:
            if what == JOIN:
                self._admit(socket.socket(fileno=descriptors.pop()))
                _tell(connection, JOINED)
            elif what == FORK:
                self._fork(connection, int(given[0]), descriptors)
        finally:
            for descriptor in descriptors:
                os.close(descriptor)

    def _fork(self, owner: socket.socket, owner_pid: int, descriptors: list[int]) -> None:
        try:
            pid = os.fork()
        except OSError as error:
            _tell(owner, b"%s %d" % (REFUSED, error.errno or 0))
            return
        if not pid:
            self._be_decoder(owner_pid, *descriptors)
        try:
            handle = os.pidfd_open(pid)
        except OSError as error:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            _tell(owner, b"%s %d" % (REFUSED, error.errno or 0))
            return
        self._decoders[handle] = _DecoderChild(pid, owner)
        self._selector.register(handle, selectors.EVENT_READ, partial(self._reap, handle))
        _tell(owner, b"%s %d" % (BORN, pid), handle)

    def _reap(self, handle: int) -> None:
        decoder = self._decoders.pop(handle)
        self._selector.unregister(handle)
        os.close(handle)
        _, status = os.waitpid(decoder.pid, 0)
        if decoder.owner in self._connections:
            code = os.waitstatus_to_exitcode(status)
            _tell(decoder.owner, b"%s %d %d" % (ENDED, decoder.pid, code))

    def _be_decoder(self, owner_pid: int, tasks: int, answers: int, output: int) -> NoReturn:
        """In the child. All that is open here besides is closed when it enters its cage."""

        def decode() -> int:
            if not die_with(self._own_pid):
                return EX_SOFTWARE
            os.dup2(output, 1)
            os.dup2(output, 2)
            _follow(owner_pid)
            self._decode(socket.socket(fileno=tasks), socket.socket(fileno=answers))
            return EX_OK

        end_with(decode)


def _tell(owner: socket.socket, packet: bytes, *handles: int) -> None:
    """One that does not read, or is gone, does without."""
    with contextlib.suppress(OSError):
        socket.send_fds(owner, [packet], handles, socket.MSG_DONTWAIT)


def _follow(owner_pid: int) -> None:
    """Be on the cores of the worker, and bear its pid in the name that `ps` and `top` show."""
    ctypes.CDLL(None).prctl(_PR_SET_NAME, decoder_name(owner_pid).encode(), 0, 0, 0)
    with contextlib.suppress(OSError):
        os.sched_setaffinity(0, os.sched_getaffinity(owner_pid))


def decoder_name(owner_pid: int) -> str:
    """What the kernel calls a decoder of that worker (15 characters at most)."""
    return f"decoder-{owner_pid}"
