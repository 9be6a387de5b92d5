"""The worker's side of decoding: a few processes, used in turn, replaced when one breaks.

A recording with which one breaks is heard once more by a fresh one: what breaks a decoder twice is
the recording.

Lives on the event loop and owns the processes. A decoder works on one recording at a time; more of
them start while all are busy, up to a limit, and end when they are idle.
"""

from __future__ import annotations

import asyncio
import contextlib
import enum
import socket
from collections.abc import AsyncGenerator
from pathlib import Path

import structlog

from seacod.asr.audio import AudioInfo, too_slow
from seacod.asr.decoder.births import DecoderBirths, NurseryLost
from seacod.asr.decoder.child import DecoderBroke, DecoderProcess, Frame, reported_error
from seacod.asr.decoder.fair_semaphore import FairSemaphore
from seacod.asr.decoder.wire import DecodeTask
from seacod.errors import BadAudio, NotReady

log = structlog.get_logger(__name__)

# While some decode, others read headers.
_IDLE_FOR_EACH = 2


class _Sort(enum.Enum):
    """Sorts of recordings, each with its own turns: a short one never waits behind long ones."""

    HEADER = enum.auto()
    ORDINARY = enum.auto()
    LONG = enum.auto()


class Decoders:
    """Decoding processes, made when they are needed.

    Args:
        kept: so many stay, idle or not; so many recordings of ordinary length are decoded at once.
            More would only share the cores: the first one done is what the model waits for.
        at_most: so many long recordings, which keep a decoder for minutes, besides.
        nursery: a connection to the one that they are forked from; None to start one.
    """

    def __init__(self, kept: int, at_most: int, nursery: socket.socket | None = None) -> None:
        self._kept = kept
        self._births = DecoderBirths(nursery)
        # People wait for their recordings: those of jobs have turns of their own.
        self._semaphores = {
            (sort, is_bulk): FairSemaphore(at_most if sort is _Sort.LONG else kept)
            for sort in _Sort
            for is_bulk in (False, True)
        }
        self._idle: list[DecoderProcess] = []
        self._alive: set[DecoderProcess] = set()
        self.broken = 0
        self._is_noted = False

    async def start(self) -> None:
        """Start one before the first recording; others are started when they are needed, so that
        they take nothing from a start that people wait for.

        Raises:
            NotReady: they cannot be started.
        """
        self._idle = [await self._begin()]

    def limit(self, at_most: int) -> None:
        """Decode at most this many long recordings at once from now on; those that run go on."""
        for is_bulk in (False, True):
            self._semaphores[_Sort.LONG, is_bulk].resize(at_most)

    async def inspect(
        self, path: Path, task: DecodeTask, *, client: str = "", is_bulk: bool = False
    ) -> AudioInfo:
        """Read the header of a recording; see `run`.

        Raises:
            SeacodError: the recording cannot be used; see `audio.inspect`.
        """
        async with contextlib.aclosing(
            self.run(path, task, client=client, is_bulk=is_bulk)
        ) as frames:
            async for frame in frames:
                if frame.kind == "info":
                    return AudioInfo(**frame.body)
        raise BadAudio("the file cannot be decoded", "无法解码该文件")

    async def run(
        self,
        path: Path,
        task: DecodeTask,
        *,
        client: str = "",
        is_long: bool = False,
        is_bulk: bool = False,
    ) -> AsyncGenerator[Frame, None]:
        """Decode a recording and yield the frames of the decoder, the last one being `done`.

        The decoder gets on only as fast as the frames are taken.

        Args:
            path: the recording.
            task: what to do with it.
            client: whose it is; clients take turns.
            is_bulk: it belongs to a job.
            is_long: it will take minutes; ordinary ones do not wait behind it.

        Raises:
            SeacodError: the recording cannot be used.
        """
        sort = _Sort.LONG if is_long else _Sort.ORDINARY
        if task.want == "inspect":
            sort = _Sort.HEADER
        async with self._semaphores[sort, is_bulk].held(client):
            # What was yielded is the same the second time, and is not yielded again.
            known = 0
            for is_last in (False, True):
                rested = None if is_last else await self._rested()
                decoder = rested or await self._begin()
                count = 0
                try:
                    async with contextlib.aclosing(self._decoded(decoder, path, task)) as frames:
                        async for frame in frames:
                            count += 1
                            if count > known:
                                known = count
                                yield frame
                    return
                except DecoderBroke as error:
                    self._note_broken(error, path, is_last=is_last)
                    if error.is_too_slow:
                        raise too_slow() from None
            raise BadAudio(
                "the decoder failed on this file twice; convert it (such as with ffmpeg) and send "
                "it again",
                "解码器两次处理该文件均出错，请转换格式后重试",
            )

    async def close(self) -> None:
        """End all processes."""
        for decoder in tuple(self._alive):
            await self._end(decoder)
        await self._births.close()

    async def _decoded(
        self, decoder: DecoderProcess, path: Path, task: DecodeTask
    ) -> AsyncGenerator[Frame, None]:
        """The frames of one decoder, which is given back.

        Raises:
            DecoderBroke: in the middle.
            SeacodError: the recording cannot be used.
        """
        try:
            decoder.give(path, task)
            while True:
                frame = await decoder.read_frame()
                if frame.kind == "error":
                    raise reported_error(frame.body)
                yield frame
                if frame.kind == "done":
                    return
        finally:
            # To its end, even if whoever waits is cancelled once more meanwhile.
            await asyncio.shield(asyncio.ensure_future(self._give_back(decoder)))

    async def _rested(self) -> DecoderProcess | None:
        """An idle one; those that somebody has killed or stopped meanwhile go."""
        while self._idle:
            decoder = self._idle.pop()
            if decoder.is_well:
                return decoder
            log.warning("idle_decoder_lost", cause="it was killed or stopped")
            await self._end(decoder)
        return None

    async def _begin(self) -> DecoderProcess:
        """Have a new process.

        Raises:
            NotReady: there is none; the log says why.
        """
        decoder = None
        try:
            decoder = await DecoderProcess.begin(self._births)
            self._alive.add(decoder)
            self._note_cage(await decoder.read_frame())
        except (DecoderBroke, NurseryLost, OSError) as error:
            if decoder is not None:
                await self._end(decoder)
            log.error("decoder_did_not_start", cause=str(error))
            raise NotReady(
                f"the process that decodes recordings does not start ({error}); the log of the "
                "service has the details",
                "解码进程无法启动，详见服务日志",
            ) from None
        except BaseException:
            if decoder is not None:
                await self._end(decoder)
            raise
        return decoder

    def _note_broken(self, error: DecoderBroke, path: Path, *, is_last: bool) -> None:
        self.broken += 1
        is_given_up = is_last or error.is_too_slow
        log.error(
            "decoder_broke",
            cause=str(error),
            bytes=path.stat().st_size,
            then="the recording is refused" if is_given_up else "a fresh one hears the recording",
        )

    def _note_cage(self, ready: Frame) -> None:
        """Say once what this machine has not got of the cage."""
        missing = [part for part, is_there in ready.body.items() if not is_there]
        if missing and not self._is_noted:
            self._is_noted = True
            log.warning("decoders_cage_incomplete", missing=missing)

    async def _give_back(self, decoder: DecoderProcess) -> None:
        """Keep a decoder for the next recording if it is at rest; otherwise end it."""
        if not await decoder.comes_to_rest():
            await self._end(decoder)
            return
        # Those that long recordings brought go with them.
        if len(self._idle) >= _IDLE_FOR_EACH * self._kept:
            await self._end(decoder)
        else:
            self._idle.append(decoder)

    async def _end(self, decoder: DecoderProcess) -> None:
        self._alive.discard(decoder)
        await decoder.end()
