"""One decoding process as the worker sees it: forked for it, given recordings, read from, killed.

`pool.py` owns them, `births.py` is where they come from; what runs in the process itself is
`process.py`. Lives on the event loop.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import structlog

from seacod.asr.audio import Samples
from seacod.asr.decoder import wire
from seacod.asr.decoder.births import Decoder, DecoderBirths
from seacod.asr.decoder.wire import DecodeTask, Head, Kind
from seacod.errors import BadAudio, BadRequest, EmptyAudio, SeacodError, TooBig, TooLong

log = structlog.get_logger(__name__)

# How much decoded sound waits in the pipe for us; the decoder stands still when it is full.
_BUFFER_BYTES = 1 << 20
# A decoder that sends nothing for so long is stuck; it sends something every 8 s of sound.
_SILENT_SECONDS = 60.0
# A cancelled recording that is as good as decoded is waited for; a new process costs more.
_LAST_FRAMES_SECONDS = 0.3
# Killed, a process ends at once; one that waits for a dead disk is left to the kernel.
_LONGEST_END_SECONDS = 5.0
_END_IS_TOLD_SECONDS = 1.0
# Its own timer ended it (`process.py`).
_OUT_OF_TIME = "it used up its time without getting on"
_CLAIMS: dict[str, type[SeacodError]] = {
    kind.code: kind for kind in (BadAudio, BadRequest, EmptyAudio, TooLong, TooBig)
}


@dataclass(frozen=True, slots=True)
class Frame:
    """Something a decoder sent; `wire.py` has the kinds."""

    kind: Kind
    position: int
    body: dict[str, Any]
    samples: Samples | None
    lane: int = 0
    speech_probability: float | None = None


class DecoderBroke(Exception):
    """The process ended, or fell silent, in the middle of a recording.

    Args:
        cause: in a few words.
        is_too_slow: it had used up its time without getting on.
    """

    def __init__(self, cause: str, *, is_too_slow: bool = False) -> None:
        super().__init__(cause)
        self.is_too_slow = is_too_slow


class DecoderProcess:
    """One process and the two sockets to it."""

    def __init__(
        self,
        process: Decoder,
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
        self._head: Head | None = None

    @classmethod
    async def begin(cls, births: DecoderBirths) -> DecoderProcess:
        """Have one forked; it says `ready` when it is in its cage.

        Raises:
            NurseryLost, OSError: there is none.
        """
        tasks, their_tasks = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        answers, their_answers = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            with their_tasks, their_answers:
                process = await births.fork(their_tasks, their_answers)
        except BaseException:
            tasks.close()
            answers.close()
            raise
        reader, writer = await asyncio.open_connection(sock=answers, limit=_BUFFER_BYTES)
        return cls(process, tasks, reader, writer)

    @property
    def is_well(self) -> bool:
        """Whether it can be given something: idle, it may have been killed or stopped."""
        return self._process.is_well

    def give(self, path: Path, task: DecodeTask) -> None:
        """Hand over a recording, open; its name never reaches the decoder."""
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        try:
            socket.send_fds(self._tasks, [task.encode()], [file])
        except OSError as error:
            raise DecoderBroke(f"it was gone before it was given anything: {error}") from None
        finally:
            os.close(file)
        self._is_working = True

    async def read_frame(self) -> Frame:
        """The next frame.

        Raises:
            DecoderBroke: it ended or fell silent.
        """
        try:
            if self._head is None:
                self._head = Head.decode(await self._read(wire.HEAD.size))
            head = self._head
            body = await self._read(head.length)
            self._head = None
        except (asyncio.IncompleteReadError, ConnectionError):
            how = await self._how_it_ended()
            raise DecoderBroke(how, is_too_slow=how == _OUT_OF_TIME) from None
        except asyncio.TimeoutError:
            how = f"it said nothing for {_SILENT_SECONDS:g} s"
            raise DecoderBroke(how) from None
        if head.kind in ("done", "error"):
            self._is_working = False
        if head.kind in ("piece", "block"):
            samples = np.frombuffer(body, dtype="<f4")
            return Frame(head.kind, head.position, {}, samples, head.lane, head.speech_probability)
        return Frame(head.kind, head.position, json.loads(body) if body else {}, None)

    async def comes_to_rest(self) -> bool:
        """Whether the decoder has finished its recording, or does so in a moment."""
        deadline = time.monotonic() + _LAST_FRAMES_SECONDS
        while self._is_working:
            left = deadline - time.monotonic()
            try:
                await asyncio.wait_for(self.read_frame(), max(0.0, left))
            except (DecoderBroke, asyncio.TimeoutError):
                return False
        return self._process.is_well

    async def end(self) -> None:
        """Kill the process and wait for its end."""
        self._process.kill()
        self._writer.close()
        self._tasks.close()
        await asyncio.wait({self._process.ended}, timeout=_LONGEST_END_SECONDS)

    async def _read(self, length: int) -> bytes:
        return await asyncio.wait_for(self._reader.readexactly(length), _SILENT_SECONDS)

    async def _how_it_ended(self) -> str:
        await asyncio.wait({self._process.ended}, timeout=_END_IS_TOLD_SECONDS)
        if not self._process.ended.done():
            return "it closed its pipe"
        code = self._process.ended.result()
        if code is None:
            return "it went with its nursery"
        if code == -signal.SIGPROF:
            return _OUT_OF_TIME
        return f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"


def reported_error(body: dict[str, Any]) -> SeacodError:
    """The error a decoder reported, as ours."""
    code = str(body.get("code"))
    kind = _CLAIMS.get(code)
    if kind is not None:
        return kind(str(body["message"]), str(body["chinese"]))
    log.error("decoder_failed", code=code, traceback=body.get("message"))
    return BadAudio(
        "the file cannot be decoded: it is damaged, or claims more than it holds; convert it and "
        "send it again",
        "无法解码：文件已损坏或声称的大小不实；请转换格式后重试",
    )
