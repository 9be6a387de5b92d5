"""A transcript put together from pieces as they are recognised, in the order of the recording."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from seacod.asr import hotwords
from seacod.asr.audio import SAMPLE_RATE
from seacod.asr.decoder.cutting import Piece
from seacod.asr.itn import InverseTextNormaliser
from seacod.asr.piece_queue import PieceResult
from seacod.asr.recognisers.base import Recognised, Recogniser
from seacod.asr.request import RecognitionRequest
from seacod.asr.sentences import sentences
from seacod.transcript import Segment, Token, Transcript, mean_confidence

NO_SPEECH = "no speech was found in the recording"
RETRIED = "a part of the recording had to be recognised a second time"
UNHEARD = "somebody seems to speak where the model wrote nothing; see unheard"


class SentenceWriter:
    """Makes sentences as people write them of what the model recognised: punctuation, numbers in
    digits.

    Both take their time, so they have a thread (`seacod-text`) while the model goes on.

    Args:
        is_itn_on: whether numbers are written in digits.
    """

    def __init__(self, is_itn_on: bool) -> None:
        self._itn = InverseTextNormaliser(is_itn_on)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="seacod-text")
        self.engine: Recogniser

    async def load(self) -> None:
        """Read the grammars; raises the `SeacodError` that says why they are unavailable."""
        await asyncio.get_running_loop().run_in_executor(self._thread, self._itn.load)

    async def write(self, recognised: Recognised, start: float, end: float) -> list[Segment]:
        """The sentences of a piece that lies from `start` to `end`, in seconds."""
        if not (self._itn.is_on or self.engine.has_punctuation):
            return self._sentences(recognised, recognised.text, start, end)

        def punctuated() -> list[Segment]:
            text = self.engine.punctuate(recognised.text)
            return self._sentences(recognised, text, start, end)

        return await asyncio.get_running_loop().run_in_executor(self._thread, punctuated)

    def close(self) -> None:
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _sentences(
        self, recognised: Recognised, text: str, start: float, end: float
    ) -> list[Segment]:
        tokens = [
            Token(t.text, start + t.start_seconds, start + t.end_seconds, t.confidence)
            for t in recognised.tokens
        ]
        return [
            replace(sentence, text=self._itn.write(sentence.text))
            for sentence in sentences(text, tokens, start, end)
        ]


class Assembly:
    """The transcript of one request, as it grows.

    Args:
        request: what was asked for, and what it has cost.
        writer: makes sentences; shared by all requests.
        before: sentences of earlier sessions of the same recording.
    """

    def __init__(
        self,
        request: RecognitionRequest,
        writer: SentenceWriter,
        before: Sequence[Segment] = (),
    ) -> None:
        self._request = request
        self._writer = writer
        self._segments = list(before)
        self.pieces = 0
        self.unheard: list[tuple[float, float]] = []
        self._plain: list[str] = []
        self._was_retried = False

    async def add(self, piece: Piece, result: PieceResult) -> list[Segment]:
        """Append a piece; they come in the order of the recording.

        Args:
            piece: says where it lies in the recording.
            result: what the model made of it.

        Returns:
            The sentences in it.
        """
        self.pieces += 1
        self._request.inference_seconds += result.inference_seconds
        recognised = result.recognised
        self._was_retried |= recognised.was_retried
        start, end = piece.start / SAMPLE_RATE, piece.end / SAMPLE_RATE
        if not recognised.text:
            self.unheard.append((start, end))
            return []
        self._plain.append(recognised.text)
        fresh = await self._writer.write(recognised, start, end)
        self._segments += fresh
        return fresh

    def transcript(self) -> Transcript:
        """The whole transcript."""
        request, engine = self._request, self._writer.engine
        return Transcript(
            text=engine.sentence_gap.join(segment.text for segment in self._segments),
            segments=tuple(self._segments),
            duration_seconds=request.decoded_seconds,
            processing_seconds=request.processing_seconds,
            queue_seconds=request.queue_seconds,
            confidence=mean_confidence(t for s in self._segments for t in s.tokens),
            model=engine.name,
            device=engine.device,
            language=engine.language,
            hotwords=hotwords.report(request.hotwords, self._read(), engine.spell),
            warnings=tuple(self._warnings()),
            speech_seconds=request.speech_seconds,
            decoding_seconds=request.decoding_seconds,
            voice_seconds=request.voice_seconds,
            inference_seconds=request.inference_seconds,
            unheard=tuple(self.unheard),
        )

    def _read(self) -> str:
        """The text as the model wrote it, and as people read it."""
        return "".join(self._plain) + "\n" + "".join(segment.text for segment in self._segments)

    def _warnings(self) -> list[str]:
        warnings = list(self._request.hotwords.warnings)
        if not self.pieces:
            warnings.append(NO_SPEECH)
        if self._was_retried:
            warnings.append(RETRIED)
        if self.unheard:
            warnings.append(UNHEARD)
        return warnings
