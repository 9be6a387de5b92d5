"""A transcript put together from pieces as they are heard, in the order of the recording."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from seacod.asr import hotwords
from seacod.asr.audio import SAMPLE_RATE
from seacod.asr.decoder.cutting import Piece
from seacod.asr.engine import Engine, Recognised
from seacod.asr.hotwords import Hotwords
from seacod.asr.pipeline import RecordingFigures
from seacod.asr.sentences import sentences
from seacod.transcript import Segment, Token, Transcript, mean_confidence

NO_SPEECH = "no speech was found in the recording"
RETRIED = "a part of the recording had to be recognised a second time"
UNHEARD = "somebody seems to speak where the model wrote nothing; see unheard"


class Assembly:
    """Collects what was heard.

    Args:
        write: from a punctuated sentence to how it is to be written.
    """

    def __init__(self, write: Callable[[str], str]) -> None:
        self._write = write
        self.pieces = 0
        self.segments: list[Segment] = []
        self.unheard: list[tuple[float, float]] = []
        self._plain: list[str] = []
        self._was_retried = False

    def add(self, piece: Piece, heard: Recognised, punctuated: str) -> list[Segment]:
        """One more piece.

        Args:
            piece: where it lies.
            heard: what the model made of it.
            punctuated: its text with punctuation, if there is a model for that.

        Returns:
            The sentences in it.
        """
        self.pieces += 1
        self._was_retried |= heard.was_retried
        start, end = piece.start / SAMPLE_RATE, piece.end / SAMPLE_RATE
        if not heard.text:
            self.unheard.append((start, end))
            return []
        self._plain.append(heard.text)
        tokens = [
            Token(t.text, start + t.start_seconds, start + t.end_seconds, t.confidence)
            for t in heard.tokens
        ]
        fresh = [
            replace(sentence, text=self._write(sentence.text))
            for sentence in sentences(punctuated, tokens, start, end)
        ]
        self.segments += fresh
        return fresh

    def transcript(
        self,
        figures: RecordingFigures,
        clean: Hotwords,
        engine: Engine,
        *,
        processing_seconds: float,
        queue_seconds: float,
    ) -> Transcript:
        """All of it."""
        return Transcript(
            text=engine.sentence_gap.join(segment.text for segment in self.segments),
            segments=tuple(self.segments),
            duration_seconds=figures.decoded_seconds,
            processing_seconds=processing_seconds,
            queue_seconds=queue_seconds,
            confidence=mean_confidence(t for s in self.segments for t in s.tokens),
            model=engine.name,
            device=engine.device,
            hotwords=hotwords.report(clean, "".join(self._plain), engine.vocabulary),
            warnings=tuple(self._warnings()),
            speech_seconds=figures.speech_seconds,
            decoding_seconds=figures.decoding_seconds,
            voice_seconds=figures.voice_seconds,
            inference_seconds=figures.inference_seconds,
            unheard=tuple(self.unheard),
        )

    def _warnings(self) -> list[str]:
        warnings = []
        if not self.pieces:
            warnings.append(NO_SPEECH)
        if self._was_retried:
            warnings.append(RETRIED)
        if self.unheard:
            warnings.append(UNHEARD)
        return warnings
