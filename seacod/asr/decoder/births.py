"""Those who ask a nursery of decoders (`nursery.py`): a worker, for decoders, and the worker's own
nursery, which keeps one for all its workers.

A worker whose nursery of decoders is lost, or that was given none, starts one of its own.
"""

from __future__ import annotations

import asyncio
import collections
import contextlib
import errno
import os
import signal
import socket
import subprocess
import time

import structlog

from seacod.asr.decoder.environment import environment
from seacod.asr.decoder.nursery import (
    BORN,
    ENDED,
    FORK,
    JOIN,
    MAX_PACKET_BYTES,
    REFUSED,
)
from seacod.system.processes.interpreter import python

log = structlog.get_logger(__name__)

# One that was handed to us has loaded long ago; one of our own has to load first.
_HANDED_ANSWERS_SECONDS = 10.0
_OWN_ANSWERS_SECONDS = 60.0
_LOOK_SECONDS = 0.005
# Nothing is left to do for one that nobody is connected to.
_LONGEST_END_SECONDS = 5.0


class NurseryLost(Exception):
    """There is no nursery of decoders, in a few words why."""


class Decoder:
    """A process that was forked for us, and is not our child.

    Args:
        pid: of it.
        handle: a pidfd, ours to close.
    """

    def __init__(self, pid: int, handle: int) -> None:
        self.pid = pid
        self._handle = handle
        # Its exit code; None when it went with its nursery.
        self.ended: asyncio.Future[int | None] = asyncio.get_running_loop().create_future()

    @property
    def is_well(self) -> bool:
        """Whether it lives, and nobody has stopped it."""
        if self.ended.done():
            return False
        try:
            with open(f"/proc/{self.pid}/stat", "rb") as stat:
                state = stat.read().rpartition(b") ")[2][:1]
        except OSError:
            return False
        return state in b"RSDI"

    def kill(self) -> None:
        """At once; when it is gone, `ended` is done."""
        if self._handle >= 0:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._handle, signal.SIGKILL)

    def over(self, code: int | None) -> None:
        """It has ended, or nobody will tell when it does."""
        if not self.ended.done():
            self.kill()
            os.close(self._handle)
            self._handle = -1
            self.ended.set_result(code)


class DecoderBirths:
    """A worker's connection to the nursery of its decoders. Lives on the event loop.

    Args:
        handed: a connection to one that is there; None to start one when it is needed.
    """

    def __init__(self, handed: socket.socket | None = None) -> None:
        self._handed = handed
        self._connection: socket.socket | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._asked: collections.deque[asyncio.Future[Decoder]] = collections.deque()
        self._born: dict[int, Decoder] = {}

    async def fork(self, tasks: socket.socket, answers: socket.socket) -> Decoder:
        """A new decoder that works with these two sockets, of which it has copies then.

        Raises:
            NurseryLost: not even a nursery of our own could be started.
            OSError: the kernel allows no more processes.
        """
        if self._handed is not None or self._connection is not None:
            with contextlib.suppress(NurseryLost):
                return await self._ask(tasks, answers)
        return await self._ask(tasks, answers)

    async def close(self) -> None:
        """Need it no more: one of our own ends."""
        if self._handed is not None:
            self._handed.close()
        self._let_go("it is not needed any more")
        if self._process is not None and await _ended(self._process, _LONGEST_END_SECONDS) is None:
            self._process.kill()

    async def _ask(self, tasks: socket.socket, answers: socket.socket) -> Decoder:
        connection = self._connected()
        within = _HANDED_ANSWERS_SECONDS if self._process is None else _OWN_ANSWERS_SECONDS
        born: asyncio.Future[Decoder] = asyncio.get_running_loop().create_future()
        self._asked.append(born)
        given = [tasks.fileno(), answers.fileno(), 2]
        try:
            socket.send_fds(connection, [b"%s %d" % (FORK, os.getpid())], given)
        except OSError as error:
            self._lose(error.strerror or str(error))
        try:
            return await asyncio.wait_for(born, within)
        except asyncio.TimeoutError:
            cause = f"it did not answer within {within:g} s"
            self._lose(cause)
            if self._process is not None:
                self._process.kill()
            raise NurseryLost(cause) from None
        except NurseryLost as error:
            raise NurseryLost(await self._how_it_ended() or str(error)) from None

    def _connected(self) -> socket.socket:
        """The connection to a nursery, which is started if there is none.

        Raises:
            OSError: it cannot be started.
        """
        if self._connection is None:
            if self._handed is not None:
                self._connection, self._handed = self._handed, None
            else:
                self._process, self._connection = start_nursery()
            self._connection.setblocking(False)
            loop = asyncio.get_running_loop()
            loop.add_reader(self._connection, self._on_message, self._connection)
        return self._connection

    def _on_message(self, connection: socket.socket) -> None:
        try:
            packet, handles, _, _ = socket.recv_fds(connection, MAX_PACKET_BYTES, 1)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            packet, handles = b"", []
        if not packet:
            self._lose("it has ended")
            return
        what, *told = packet.split()
        if what == BORN and not handles:
            # It was dropped on its way. The nursery ends the decoder when our connection is closed.
            self._lose("no descriptor is left for its answer")
        elif what == BORN:
            self._take(Decoder(int(told[0]), handles[0]))
        elif what == REFUSED:
            number = int(told[0]) or errno.EAGAIN
            asked = self._asked.popleft()
            if not asked.done():
                asked.set_exception(OSError(number, os.strerror(number)))
        elif what == ENDED and (decoder := self._born.pop(int(told[0]), None)) is not None:
            decoder.over(int(told[1]))

    def _take(self, decoder: Decoder) -> None:
        self._born[decoder.pid] = decoder
        asked = self._asked.popleft()
        if asked.done():
            # Whoever asked waits no more.
            decoder.kill()
        else:
            asked.set_result(decoder)

    def _lose(self, cause: str) -> None:
        if self._connection is not None:
            log.warning("decoder_nursery_lost", cause=cause, hint="the next decoder brings another")
        self._let_go(cause)

    def _let_go(self, cause: str) -> None:
        """Let go of the nursery and of its decoders."""
        if self._connection is not None:
            asyncio.get_running_loop().remove_reader(self._connection)
            self._connection.close()
            self._connection = None
        while self._asked:
            asked = self._asked.popleft()
            if not asked.done():
                asked.set_exception(NurseryLost(cause))
        while self._born:
            self._born.popitem()[1].over(None)

    async def _how_it_ended(self) -> str | None:
        if self._process is None:
            return None
        code = await _ended(self._process, 1.0)
        if code is None:
            self._process.kill()
            return None
        return f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"


class SharedDecoderNursery:
    """The nursery of decoders that the workers of one nursery share. Nothing here waits for it:
    what it says is read when it is next looked at."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._connection: socket.socket | None = None
        # When each connection was sent of which it has not said that it has it.
        self._unanswered: collections.deque[float] = collections.deque()

    def start(self) -> None:
        """Begin to load; workers come later. If it cannot, they start their own."""
        with contextlib.suppress(OSError):
            self._process, self._connection = start_nursery()
            self._connection.setblocking(False)

    def look(self) -> None:
        """Replace it if it is gone or hangs."""
        if (problem := self._problem()) is not None:
            log.warning("decoder_nursery_replaced", cause=problem)
            self._end()
            self.start()

    def connection(self) -> socket.socket | None:
        """For a worker; None where there is nothing to be connected to."""
        self.look()
        if self._connection is None:
            return None
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            with theirs:
                socket.send_fds(self._connection, [JOIN], [theirs.fileno()])
        except OSError:
            ours.close()
            return None
        self._unanswered.append(time.monotonic())
        return ours

    def forget(self) -> None:
        """In a process that was forked from ours: it has its own connection."""
        if self._connection is not None:
            self._connection.close()

    def _problem(self) -> str | None:
        if self._process is None or self._connection is None:
            return "it could not be started"
        try:
            while self._connection.recv(MAX_PACKET_BYTES):
                self._unanswered.popleft()
        except BlockingIOError:
            pass
        except OSError as error:
            return error.strerror
        else:
            return "it has ended"
        if self._unanswered and time.monotonic() - self._unanswered[0] > _HANDED_ANSWERS_SECONDS:
            return f"it did not answer within {_HANDED_ANSWERS_SECONDS:g} s"
        return None

    def _end(self) -> None:
        self._unanswered.clear()
        if self._connection is not None:
            self._connection.close()
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(_LOOK_SECONDS)
        self._process = self._connection = None


def start_nursery() -> tuple[subprocess.Popen[bytes], socket.socket]:
    """Execute one; it ends when the connection, and all it was given since, are closed.

    Raises:
        OSError: it cannot be started.
    """
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    try:
        with theirs:
            process = subprocess.Popen(
                python("-m", "seacod.asr.decoder.process", str(theirs.fileno())),
                stdin=subprocess.DEVNULL,
                pass_fds=(theirs.fileno(),),
                env=environment(),
                # Who stops or kills the group of its worker does not mean it.
                start_new_session=True,
            )
    except BaseException:
        ours.close()
        raise
    return process, ours


async def _ended(process: subprocess.Popen[bytes], timeout_seconds: float) -> int | None:
    """Wait for the exit code; None when it lives on. There is no event for this: asyncio
    has one for processes that it starts itself, each with a thread."""
    for _ in range(int(timeout_seconds / _LOOK_SECONDS)):
        if (code := process.poll()) is not None:
            return code
        await asyncio.sleep(_LOOK_SECONDS)
    return None
