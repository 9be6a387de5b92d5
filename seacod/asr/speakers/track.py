"""The voices of one recording: its pieces are listened to while they are recognised, and at its end
sentences get their speakers. Lives on the event loop; `speakers.py` has the thread.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import replace

import numpy as np
import structlog

from seacod.asr.audio import SAMPLE_RATE
from seacod.asr.piece import Piece
from seacod.asr.speakers import windows as placing
from seacod.asr.speakers.attribution import Windows, attributed
from seacod.asr.speakers.clustering import voices
from seacod.asr.speakers.wanted import SpeakerRange
from seacod.speaker_encoders.base import Embeddings, SpeakerEncoder
from seacod.transcript import Segment, Transcript, TranscriptWarning

log = structlog.get_logger(__name__)

NOT_TOLD_APART = TranscriptWarning(
    "speakers_unknown",
    "the speakers could not be told apart; the log of the service has the details",
    "未能区分说话人，详情见服务日志",
)


class SpeakerTrack:
    """From `Speakers.begin`.

    Args:
        wanted: how many speakers there may be.
        encoder: gives the encoder; called on the thread.
        embed: embeds windows; called there, too.
        thread: for everything that costs.
    """

    def __init__(
        self,
        wanted: SpeakerRange,
        encoder: Callable[[], SpeakerEncoder],
        thread: Executor,
    ) -> None:
        self._wanted = wanted
        self._encoder = encoder
        self._thread = thread
        self._under_way: deque[asyncio.Future[None]] = deque()
        # Only the thread touches these, until everything was heard.
        self._places: list[tuple[float, float, int]] = []
        self._embeddings: list[Embeddings] = []
        self._pieces = 0
        self._has_failed = False

    def hear(self, piece: Piece) -> None:
        """Listen to a piece, beside the model; they come in the order of the recording."""
        loop = asyncio.get_running_loop()
        self._under_way.append(loop.run_in_executor(self._thread, self._embed, piece))

    async def heard(self) -> None:
        """Wait until the oldest piece was listened to, so that no more sound is kept than that
        which waits for the model."""
        if self._under_way:
            await self._under_way.popleft()

    async def named(self, transcript: Transcript) -> Transcript:
        """The transcript with its speakers, after the last piece."""
        while self._under_way:
            await self.heard()
        loop = asyncio.get_running_loop()
        segments = await loop.run_in_executor(self._thread, self._named, transcript.segments)
        if segments is None:
            return replace(transcript, warnings=(*transcript.warnings, NOT_TOLD_APART))
        return replace(transcript, segments=tuple(segments))

    def close(self) -> None:
        """Nobody waits for it any more."""
        for one in self._under_way:
            one.cancel()

    # -- on the thread ------------------------------------------------------------------------

    def _embed(self, piece: Piece) -> None:
        if self._has_failed or not len(piece.samples):
            return
        try:
            encoder = self._encoder()
            placed = placing.windows(piece.samples, encoder.window_seconds, encoder.hop_seconds)
            self._embeddings.append(
                encoder.embed(
                    [
                        placing.filled(piece.samples[start:end], encoder.window_seconds)
                        for start, end in placed
                    ]
                )
            )
        except Exception:
            # The text is worth more than its speakers.
            log.exception("speakers_not_heard")
            self._has_failed = True
            return
        for start, end in placed:
            place = (piece.start + start) / SAMPLE_RATE, (piece.start + end) / SAMPLE_RATE
            self._places.append((*place, self._pieces))
        self._pieces += 1

    def _named(self, segments: Sequence[Segment]) -> list[Segment] | None:
        if self._has_failed:
            return None
        if not self._embeddings:
            return list(segments)
        try:
            starts, ends, pieces = zip(*self._places, strict=True)
            heard = Windows(
                np.array(starts), np.array(ends), np.array(pieces, dtype=np.intp),
                np.concatenate(self._embeddings),
            )  # fmt: skip
            likeness = self._encoder().likeness
            centres = voices(heard.embeddings, heard.pieces, self._wanted, likeness)
            # What an earlier session of a microphone heard was not heard here.
            heard_from = float(heard.starts.min())
            before = [one for one in segments if one.end_seconds <= heard_from]
            after = [one for one in segments if one.end_seconds > heard_from]
            return [*before, *attributed(after, heard, centres)]
        except Exception:
            log.exception("speakers_not_told_apart", windows=len(self._places))
            return None
