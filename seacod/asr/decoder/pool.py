"""The worker's side of decoding: a few processes, used in turn, replaced when one breaks.

Lives on the event loop and owns the processes. A decoder works on one recording at a time; more of
them start while all are busy, up to a limit, and end when they are idle.
"""

from __future__ import annotations

import asyncio
import contextlib
import enum
import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import structlog

from seacod import errors
from seacod.asr.audio import AudioInfo, Samples
from seacod.asr.decoder import wire
from seacod.asr.decoder.wire import DecodeTask, Kind
from seacod.errors import BadAudio, EmptyAudio, NotReady, SeacodError, TooBig, TooLong
from seacod.system.interpreter import python

log = structlog.get_logger(__name__)

# How much decoded sound waits in the pipe for us; the decoder stands still when it is full.
_BUFFER_BYTES = 1 << 20
# So many are started beforehand, in a spare, too.
_STARTED = 2
# Without a word for so long a decoder is taken for stuck; it says something every 8 s of sound.
_SILENT_SECONDS = 60.0
# A cancelled recording that is as good as decoded is heard out; a new process costs more.
_HEAR_OUT_SECONDS = 0.3
# While some decode, others read headers.
_IDLE_FOR_EACH = 2
_LOOK_SECONDS = 0.005
# Killed, a process ends at once; one that waits for a dead disk is left to the kernel.
_LONGEST_END_SECONDS = 5.0
_CLAIMS: dict[str, type[SeacodError]] = {
    kind.code: kind for kind in (BadAudio, EmptyAudio, TooLong, TooBig)
}


@dataclass(frozen=True, slots=True)
class Frame:
    """Something a decoder said: see `wire.py` for the kinds."""

    kind: Kind
    position: int
    body: dict[str, Any]
    samples: Samples | None


class _Sort(enum.Enum):
    """Recordings that wait for a decoder wait behind their like only."""

    HEADER = enum.auto()
    ORDINARY = enum.auto()
    LONG = enum.auto()


class _Places:
    """So many at once, in the order in which they came; the number may change meanwhile."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._free = asyncio.Semaphore(count)
        # Places that are gone as soon as somebody leaves one, or finds one free.
        self._owed = 0

    def resize(self, count: int) -> None:
        self._owed += self._count - count
        self._count = count
        while self._owed < 0:
            self._owed += 1
            self._free.release()

    async def __aenter__(self) -> None:
        await self._free.acquire()
        while self._owed > 0:
            self._owed -= 1
            await self._free.acquire()

    async def __aexit__(self, *_: object) -> None:
        if self._owed > 0:
            self._owed -= 1
        else:
            self._free.release()


class _Broken(Exception):
    """The process ended, or fell silent, in the middle of a recording."""


class Decoders:
    """Decoding processes, made when they are needed.

    Args:
        kept: so many stay, idle or not; so many recordings of ordinary length are decoded at once.
            More would only share the cores: the first one done is what the model waits for.
        at_most: so many long recordings, which keep a decoder for minutes, besides.
    """

    def __init__(self, kept: int, at_most: int) -> None:
        self._kept = kept
        self._places = {
            _Sort.HEADER: _Places(kept),
            _Sort.ORDINARY: _Places(kept),
            _Sort.LONG: _Places(at_most),
        }
        self._idle: list[_Decoder] = []
        self._alive: set[_Decoder] = set()
        self.broken = 0

    async def start(self) -> None:
        """Have some ready before the first recording; the others come when they are needed.

        Raises:
            NotReady: they cannot be started.
        """
        count = min(self._kept, _STARTED)
        self._idle = list(await asyncio.gather(*(self._begin() for _ in range(count))))

    def limit(self, at_most: int) -> None:
        """So many long recordings from now on; those that are being decoded go on."""
        self._places[_Sort.LONG].resize(at_most)

    async def inspect(self, path: Path, task: DecodeTask) -> AudioInfo:
        """What the header says.

        Raises:
            SeacodError: it cannot be used; see `audio.inspect`.
        """
        async with contextlib.aclosing(self.run(path, task)) as frames:
            async for frame in frames:
                if frame.kind == "info":
                    return AudioInfo(**frame.body)
        raise BadAudio("the file cannot be decoded", "无法解码该文件")

    async def run(
        self, path: Path, task: DecodeTask, *, is_long: bool = False
    ) -> AsyncGenerator[Frame, None]:
        """Everything a decoder says of a recording, the last frame being `done`.

        The decoder gets on only as fast as the frames are taken.

        Args:
            path: the recording.
            task: what to do with it.
            is_long: it will take minutes; ordinary ones do not wait behind it.

        Raises:
            SeacodError: the recording cannot be used.
        """
        sort = _Sort.LONG if is_long else _Sort.ORDINARY
        async with self._places[_Sort.HEADER if task.want == "inspect" else sort]:
            decoder = self._idle.pop() if self._idle else await self._begin()
            try:
                decoder.give(path, task)
                while True:
                    frame = await decoder.hear()
                    if frame.kind == "error":
                        raise _told(frame.body)
                    yield frame
                    if frame.kind == "done":
                        break
            except _Broken as error:
                self.broken += 1
                log.error("decoder_broke", cause=str(error), bytes=path.stat().st_size)
                raise BadAudio(
                    "the decoder broke on this file; convert it (such as with ffmpeg) and send it "
                    "again",
                    "解码器处理该文件时出错，请转换格式后重试",
                ) from None
            finally:
                # To its end, even if whoever waits is cancelled once more meanwhile.
                await asyncio.shield(asyncio.ensure_future(self._give_back(decoder)))

    async def close(self) -> None:
        """End all of them."""
        for decoder in tuple(self._alive):
            await self._end(decoder)

    async def _begin(self) -> _Decoder:
        """A new one.

        Raises:
            NotReady: it does not start; the log says why.
        """
        decoder = await _Decoder.start()
        self._alive.add(decoder)
        try:
            await decoder.hear()
        except _Broken as error:
            await self._end(decoder)
            log.error("decoder_did_not_start", cause=str(error))
            raise NotReady(
                f"the process that decodes recordings does not start ({error}); the log of the "
                "service has the details",
                "解码进程无法启动，详见服务日志",
            ) from None
        except BaseException:
            await self._end(decoder)
            raise
        return decoder

    async def _give_back(self, decoder: _Decoder) -> None:
        """Used again if it is at rest; otherwise it goes."""
        if not await decoder.comes_to_rest():
            await self._end(decoder)
            return
        # Those that long recordings brought go with them; the next ones cost a third of a second.
        if len(self._idle) >= _IDLE_FOR_EACH * self._kept:
            await self._end(decoder)
        else:
            self._idle.append(decoder)

    async def _end(self, decoder: _Decoder) -> None:
        self._alive.discard(decoder)
        await decoder.end()


class _Decoder:
    """One process and the two sockets to it."""

    def __init__(
        self,
        process: subprocess.Popen[bytes],
        tasks: socket.socket,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        self._process = process
        self._tasks = tasks
        self._reader = reader
        self._writer = writer
        self._is_working = False
        # A head whose body was still to come when the reading was cancelled.
        self._head: tuple[Kind, int, int] | None = None

    @classmethod
    async def start(cls) -> _Decoder:
        tasks, their_tasks = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        answers, their_answers = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        with their_tasks, their_answers:
            theirs = (their_tasks.fileno(), their_answers.fileno())
            # On the loop's own thread: the kernel counts the death of the thread that forked as
            # the death of the parent. Not by asyncio, which would start a thread to wait for it.
            process = subprocess.Popen(  # noqa: ASYNC220
                python(
                    "-m", "seacod.asr.decoder.process", *map(str, theirs), str(os.getpid())
                ),
                stdin=subprocess.DEVNULL,
                pass_fds=theirs,
            )  # fmt: skip
        reader, writer = await asyncio.open_connection(sock=answers, limit=_BUFFER_BYTES)
        return cls(process, tasks, reader, writer)

    def give(self, path: Path, task: DecodeTask) -> None:
        """Hand over a recording, open; its name never reaches the decoder."""
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        try:
            socket.send_fds(self._tasks, [task.encode()], [file])
        except OSError as error:
            raise _Broken(f"it was gone before it was given anything: {error}") from None
        finally:
            os.close(file)
        self._is_working = True

    async def hear(self) -> Frame:
        """The next frame.

        Raises:
            _Broken: it ended or fell silent.
        """
        try:
            if self._head is None:
                self._head = wire.read_head(await self._read(wire.HEAD.size))
            kind, length, position = self._head
            body = await self._read(length)
            self._head = None
        except (asyncio.IncompleteReadError, ConnectionError):
            raise _Broken(await self._how_it_ended()) from None
        except asyncio.TimeoutError:
            raise _Broken(f"it said nothing for {_SILENT_SECONDS:g} s") from None
        if kind in ("done", "error"):
            self._is_working = False
        if kind in ("piece", "block"):
            return Frame(kind, position, {}, np.frombuffer(body, dtype="<f4"))
        return Frame(kind, position, json.loads(body) if body else {}, None)

    async def comes_to_rest(self) -> bool:
        """Whether it has finished its recording, or does so in a moment."""
        deadline = time.monotonic() + _HEAR_OUT_SECONDS
        while self._is_working:
            left = deadline - time.monotonic()
            try:
                await asyncio.wait_for(self.hear(), max(0.0, left))
            except (_Broken, asyncio.TimeoutError):
                return False
        return self._process.poll() is None

    async def end(self) -> None:
        """Kill it and see it gone."""
        self._writer.close()
        self._tasks.close()
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(signal.SIGKILL)
        await self._ended(_LONGEST_END_SECONDS)

    async def _read(self, length: int) -> bytes:
        return await asyncio.wait_for(self._reader.readexactly(length), _SILENT_SECONDS)

    async def _ended(self, timeout_seconds: float) -> int | None:
        """Its exit code, waited for; None when it lives on. There is no event for this: asyncio
        has one for processes that it starts itself, each with a thread."""
        for _ in range(int(timeout_seconds / _LOOK_SECONDS)):
            if (code := self._process.poll()) is not None:
                return code
            await asyncio.sleep(_LOOK_SECONDS)
        return None

    async def _how_it_ended(self) -> str:
        code = await self._ended(1.0)
        if code is None:
            return "it closed its pipe"
        return f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"


def _told(body: dict[str, Any]) -> SeacodError:
    """The error a decoder reported, as ours."""
    code = str(body.get("code"))
    kind = _CLAIMS.get(code)
    if kind is not None:
        return kind(str(body["message"]), str(body["chinese"]))
    log.error("decoder_failed", code=code, traceback=body.get("message"))
    return errors.BadAudio(
        "the file cannot be decoded: it is damaged, or claims more than it holds; convert it and "
        "send it again",
        "无法解码：文件已损坏或声称的大小不实；请转换格式后重试",
    )
