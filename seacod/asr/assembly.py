"""A transcript put together from pieces as they are recognised, in the order of the recording."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from seacod.asr import hotwords
from seacod.asr.audio import SAMPLE_RATE
from seacod.asr.itn import InverseTextNormaliser
from seacod.asr.piece import Piece
from seacod.asr.piece_queue import PieceResult
from seacod.asr.recognisers.base import Recognised, Recogniser
from seacod.asr.replacements.rules import Change, Replacements, reports
from seacod.asr.request import RecognitionRequest
from seacod.asr.sentences import sentences
from seacod.transcript import (
    TRIAL_MODEL,
    Segment,
    Transcript,
    TranscriptWarning,
    mean_confidence,
    turns,
)

NO_SPEECH = TranscriptWarning(
    "no_speech", "no speech was found in the recording", "录音中没有检测到语音"
)
FOR_TRYING = TranscriptWarning(
    TRIAL_MODEL,
    "this is the built-in model, which is for trying: it was trained with synthetic voices and few "
    "words; for real speech set asr.model: paraformer-zh",
    "当前为内置试用模型，仅用合成语音和少量词语训练，不适合真实录音；正式使用请设置 "
    "asr.model: paraformer-zh",
)
# The built-in model, by the name of its recogniser.
_TRIAL = "builtin"
# So many stretches are named in a warning.
_NAMED = 5


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

    async def write(
        self, recognised: Recognised, start: float, end: float, request: RecognitionRequest
    ) -> tuple[list[Segment], list[Change]]:
        """The sentences of a piece that lies from `start` to `end`, in seconds, and what rules of
        the server have changed in them."""
        itn = self._itn if request.wants_digits else None
        rules = request.replacements
        if not (self._itn.is_on or self.engine.has_punctuation or rules.rules):
            return self._sentences(recognised, recognised.text, start, end, itn), []

        def punctuated() -> tuple[list[Segment], list[Change]]:
            text = self.engine.punctuate(recognised.text)
            return _replaced(self._sentences(recognised, text, start, end, itn), rules)

        return await asyncio.get_running_loop().run_in_executor(self._thread, punctuated)

    def close(self) -> None:
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _sentences(
        self,
        recognised: Recognised,
        text: str,
        start: float,
        end: float,
        itn: InverseTextNormaliser | None,
    ) -> list[Segment]:
        tokens = [
            # A model's last word may end a little after its sound.
            replace(
                t,
                start_seconds=min(start + t.start_seconds, end),
                end_seconds=min(start + t.end_seconds, end),
            )
            for t in recognised.tokens
        ]
        return [
            replace(sentence, text=itn.write(sentence.text)) if itn is not None else sentence
            for sentence in sentences(text, tokens, start, end)
        ]


def _replaced(
    sentences: list[Segment], replacements: Replacements
) -> tuple[list[Segment], list[Change]]:
    """Sentences as the server's rules want them; one of which nothing is left goes."""
    changes: list[Change] = []
    made = []
    for sentence in sentences:
        text, own = replacements.apply(sentence.text)
        changes += own
        if not own:
            made.append(sentence)
        elif text.strip():
            made.append(replace(sentence, text=text.strip()))
    return made, changes


class Assembly:
    """The transcript of one request, as it grows.

    Args:
        request: what was asked for, and what it has cost.
        writer: makes sentences; shared by all requests.
        before: sentences of earlier sessions of the same recording.
        is_by_track: the lanes are tracks of their own, not voices of one conversation.
    """

    def __init__(
        self,
        request: RecognitionRequest,
        writer: SentenceWriter,
        before: Sequence[Segment] = (),
        *,
        is_by_track: bool = False,
    ) -> None:
        self._request = request
        self._writer = writer
        # Each with the lane it lies in.
        self._segments = [(0, segment) for segment in before]
        self._is_by_track = is_by_track
        self.pieces = 0
        self.unheard: list[tuple[float, float]] = []
        self._plain: list[str] = []
        self._retried: list[tuple[float, float]] = []
        self._changes: Counter[Change] = Counter()

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
        start, end = piece.start / SAMPLE_RATE, piece.end / SAMPLE_RATE
        if recognised.was_retried:
            self._retried.append((start, end))
        if not recognised.text:
            self.unheard.append((start, end))
            return []
        self._plain.append(recognised.text)
        fresh, changes = await self._writer.write(recognised, start, end, self._request)
        self._changes.update(changes)
        if piece.speech_probability is not None:
            fresh = [replace(s, speech_probability=piece.speech_probability) for s in fresh]
        self._segments += ((piece.lane, segment) for segment in fresh)
        return fresh

    def transcript(self) -> Transcript:
        """The whole transcript."""
        request, engine = self._request, self._writer.engine
        segments = self._labelled()
        return Transcript(
            text=turns(segments, engine.sentence_gap, is_by_speaker=self._is_by_track),
            segments=segments,
            duration_seconds=request.decoded_seconds,
            processing_seconds=request.processing_seconds,
            queue_seconds=request.queue_seconds,
            confidence=mean_confidence(t for s in segments for t in s.tokens),
            model=engine.name,
            device=engine.device,
            language=engine.language,
            hotwords=hotwords.report(
                request.hotwords, self._read(), engine.spell, engine.reads_hotwords
            ),
            warnings=tuple(self._warnings()),
            speech_seconds=request.speech_seconds,
            decoding_seconds=request.decoding_seconds,
            voice_seconds=request.voice_seconds,
            inference_seconds=request.inference_seconds,
            unheard=tuple(self.unheard),
            missing_seconds=request.found.missing_seconds,
            replacements=reports(self._changes),
            peaks=request.found.peaks,
        )

    def _read(self) -> str:
        """The text as the model wrote it, and as people read it."""
        written = "".join(segment.text for _, segment in self._segments)
        return "".join(self._plain) + "\n" + written

    def _labelled(self) -> tuple[Segment, ...]:
        """All sentences in the order of the recording, with the names of their lanes."""
        labels = self._request.found.labels
        if not any(lane for lane, _ in self._segments):
            return tuple(segment for _, segment in self._segments)
        named = [
            replace(segment, speaker=labels.get(lane) or None) for lane, segment in self._segments
        ]
        return tuple(sorted(named, key=lambda segment: segment.start_seconds))

    def _warnings(self) -> list[TranscriptWarning]:
        warnings = [FOR_TRYING] if self._writer.engine.name == _TRIAL else []
        given = self._request.hotwords
        if len(given.words) > given.of_server and not self._writer.engine.reads_hotwords:
            warnings.append(hotwords.NO_HOTWORDS)
        warnings += [
            *self._request.remarks,
            *self._request.hotwords.warnings,
            *self._request.found.warnings,
        ]
        if not self.pieces:
            warnings.append(NO_SPEECH)
        warnings += _about(
            "retried", self._retried, "had to be recognised a second time", "经过第二次识别"
        )
        warnings += _about(
            "unheard", self.unheard, "sounds like speech, but the model wrote nothing",
            "似乎有人说话，但模型没有识别出文字",
        )  # fmt: skip
        return warnings


def _about(
    code: str, stretches: Sequence[tuple[float, float]], english: str, chinese: str
) -> list[TranscriptWarning]:
    """The warning about some stretches of a recording, if there are any; the first are named."""
    if not stretches:
        return []
    named = [f"{start:.1f}-{end:.1f}" for start, end in stretches[:_NAMED]]
    more = len(stretches) - len(named)
    where = ", ".join(named) + (f" and {more} more stretches" if more else "")
    wo = "、".join(named) + (f" 等 {len(stretches)} 处" if more else "")
    return [
        TranscriptWarning(
            code,
            f"what is at {where} (seconds) {english}",
            f"{wo}（秒）处{chinese}",
            round(stretches[0][0], 3),
            round(stretches[-1][1], 3),
        )
    ]
