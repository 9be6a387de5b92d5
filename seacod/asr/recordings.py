"""Recordings that are files: each admitted, given its turn, recognised within its time.

`service.py` is in front of it and counts; microphones are `live/`. Lives on the event loop.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from dataclasses import replace

from seacod.asr.admission import Admission
from seacod.asr.assembly import Assembly, SentenceWriter
from seacod.asr.audio import SAMPLE_RATE
from seacod.asr.counting import RequestCounters
from seacod.asr.load import LoadReport
from seacod.asr.pipeline import RecordingPipeline
from seacod.asr.request import RecognitionProgress, RecordingRequest
from seacod.asr.speakers.speakers import Speakers
from seacod.asr.speakers.track import SpeakerTrack
from seacod.errors import DeadlineExceeded
from seacod.transcript import Transcript


class Recordings:
    """
    Args:
        admission: the queue.
        pipeline: from file to recognised pieces.
        writer: from those to sentences.
        counters: told of speech for which nothing was written.
        load: told when one comes or goes.
        speakers: tells them apart, for who asks.
    """

    def __init__(
        self,
        admission: Admission,
        pipeline: RecordingPipeline,
        writer: SentenceWriter,
        counters: RequestCounters,
        load: LoadReport,
        speakers: Speakers,
    ) -> None:
        self._admission = admission
        self._pipeline = pipeline
        self._writer = writer
        self._counters = counters
        self._load = load
        self._speakers = speakers

    async def transcribe(self, request: RecordingRequest) -> Transcript:
        """The text of one recording.

        Raises:
            SeacodError: why there is no text.
        """
        speakers = request.choice.speakers
        track = self._speakers.begin(speakers) if speakers else None
        self._admission.admit(request)
        self._load.publish()
        is_done = False
        try:
            transcript = await self._in_time(request, track)
            is_done = True
            return transcript
        finally:
            if track is not None:
                track.close()
            self._admission.leave(request, is_done=is_done)
            self._load.publish()

    async def _in_time(self, request: RecordingRequest, track: SpeakerTrack | None) -> Transcript:
        """From the header on there is a deadline, except for jobs."""
        request.on_progress(RecognitionProgress("decoding"))
        self._admission.weigh(request, await self._pipeline.inspect(request))
        if request.is_bulk:
            return await self._recognise(request, track)
        limit = request.timeout_seconds
        try:
            return await asyncio.wait_for(self._recognise(request, track), limit)
        except asyncio.TimeoutError:
            raise DeadlineExceeded(
                f"the recording was not finished within {limit:g} s; try again when there is less "
                "load, or cut it into shorter pieces",
                f"未能在 {limit:g} 秒内完成识别；请稍后重试，或切成较短的片段",
            ) from None

    async def _recognise(self, request: RecordingRequest, track: SpeakerTrack | None) -> Transcript:
        await self._admission.turn(
            request,
            lambda position: request.on_progress(
                RecognitionProgress("queued", queue_position=position)
            ),
        )
        turn_at = time.monotonic()
        request.queue_seconds = turn_at - request.admitted_at
        known = request.known_seconds
        assembly = Assembly(request, self._writer, is_by_track=request.choice.track == "all")
        if track is not None:
            request.on_piece = track.hear
        request.on_progress(RecognitionProgress("recognising", share=0.0 if known else None))
        async with contextlib.aclosing(self._pipeline.run(request)) as results:
            async for piece, result in results:
                request.done_seconds += len(piece.samples) / SAMPLE_RATE
                fresh = await assembly.add(piece, result)
                if fresh:
                    request.on_segments(fresh)
                if track is not None:
                    await track.heard()
                share = min(1.0, piece.end / SAMPLE_RATE / known) if known else None
                request.on_progress(
                    RecognitionProgress(
                        "recognising", assembly.pieces, request.pieces_found, share=share
                    )
                )
        self._counters.unheard(len(assembly.unheard))
        if track is None:
            request.processing_seconds = time.monotonic() - turn_at
            return assembly.transcript()
        transcript = await track.named(assembly.transcript())
        return replace(transcript, processing_seconds=time.monotonic() - turn_at)
