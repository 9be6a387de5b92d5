"""A stream of sound and speech probabilities, cut into pieces of a good length for the model.

Pure arithmetic. It keeps no more of the sound than the piece it is at, so a recording may be as
long as it likes; and it looks at one frame after the other, so the pieces do not depend on how the
stream came in. The thresholds and the hysteresis are silero-vad's own (get_speech_timestamps,
6.2.3), with a silence of 300 ms that ends speech.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from seacod.asr.audio import SAMPLE_RATE, Samples
from seacod.asr.decoder.voice import FRAME, Probabilities
from seacod.asr.piece import Piece

# Speech begins above the first and ends below the second.
BEGINS, _ENDS = 0.5, 0.35
SILENCE_ENDS_SECONDS = 0.3
_SHORTEST_SECONDS = 0.25
# A detector cuts close; consonants at the edges are quiet. The model was trained with some
# silence at the end, by which it recognises that nothing more comes.
PAD_SECONDS = 0.23
# Pauses shorter than this do not end a sentence; cutting there only costs context.
_JOIN_SECONDS = 0.41
_PREFERRED_SECONDS = 12.0
# A recording that fits into one piece is one, unless its pauses would cost more than another call.
_CLIP_JOIN_SECONDS = 1.2
# After so much silence nothing can be joined any more, nor want more room for its padding.
_RELEASE_SECONDS = 0.5
_HOP = SAMPLE_RATE // 100


@dataclass(slots=True)
class _SpeechSpan:
    start: int
    end: int


class Cutter:
    """Takes samples with their probabilities, gives finished pieces.

    Args:
        max_seconds: longest piece; longer speech is cut at the quietest place of the second half of
            what fits.
        is_clip: the recording is known to be no longer than that.
    """

    def __init__(self, max_seconds: float, *, is_clip: bool = False) -> None:
        self._longest = int(max_seconds * SAMPLE_RATE)
        preferred = int(_PREFERRED_SECONDS * SAMPLE_RATE)
        self._joined_longest = self._longest if is_clip else min(preferred, self._longest)
        self._join = int((_CLIP_JOIN_SECONDS if is_clip else _JOIN_SECONDS) * SAMPLE_RATE)
        self._release = int((_CLIP_JOIN_SECONDS if is_clip else _RELEASE_SECONDS) * SAMPLE_RATE)
        self._sound: Samples = np.zeros(0, dtype=np.float32)
        self._origin = 0
        self._frames = 0
        # Of the frames that some piece may still need: so many were let go before them.
        self._probabilities: list[float] = []
        self._forgotten = 0
        self._open: int | None = None
        self._silent_since: int | None = None
        self._held: _SpeechSpan | None = None
        self._last_end = 0
        self._out: list[Piece] = []
        # How much speech was found, in samples, before padding.
        self.speech = 0

    def feed(self, samples: Samples, probabilities: Probabilities) -> list[Piece]:
        """Take more of the recording; returns the pieces that are finished.

        Args:
            samples: float32, 16 kHz.
            probabilities: of the frames that these and earlier samples complete.
        """
        self._sound = np.concatenate((self._sound, samples))
        for probability in probabilities.tolist():
            self._probabilities.append(probability)
            self._step(self._frames * FRAME, probability)
            self._frames += 1
        self._forget()
        return self._taken()

    def finish(self) -> list[Piece]:
        """The recording is over; returns the piece that was still open."""
        total = self._origin + len(self._sound)
        if self._open is not None:
            self._close(self._open, total)
        if self._held is not None:
            self._emit(self._held, total, is_last=True)
            self._held = None
        return self._taken()

    @property
    def open_speech(self) -> Samples:
        """The speech that goes on now: speech that is in no finished piece yet, up to the last
        sample; empty when nobody speaks."""
        if self._held is not None:
            start = self._held.start
        elif self._open is not None:
            start = self._open
        else:
            return np.zeros(0, dtype=np.float32)
        first = max(self._last_end, start - int(PAD_SECONDS * SAMPLE_RATE))
        speech: Samples = self._sound[max(0, first - self._origin) :].copy()
        return speech

    @property
    def needed_from(self) -> int:
        """The sample before which no piece still to come begins."""
        return self._origin

    def _step(self, at: int, probability: float) -> None:
        if probability >= BEGINS:
            self._silent_since = None
            if self._open is None:
                self._open = at
        elif self._open is not None and probability < _ENDS:
            if self._silent_since is None:
                self._silent_since = at
            if at - self._silent_since >= SILENCE_ENDS_SECONDS * SAMPLE_RATE:
                self._close(self._open, self._silent_since)
        if self._open is not None and at - self._open > self._longest:
            place = self._quietest(self._open)
            self._found(_SpeechSpan(self._open, place))
            self._open = place
        held = self._held
        if held and self._open is None and at - held.end > self._release:
            self._emit(held, at)
            self._held = None

    def _close(self, start: int, end: int) -> None:
        self._open = self._silent_since = None
        if end - start > _SHORTEST_SECONDS * SAMPLE_RATE:
            self._found(_SpeechSpan(start, end))

    def _found(self, span: _SpeechSpan) -> None:
        """Keep a stretch of speech until it is known whether the next one belongs to it."""
        self.speech += span.end - span.start
        held = self._held
        if held is not None:
            is_close = span.start - held.end < self._join
            if is_close and span.end - held.start < self._joined_longest:
                held.end = span.end
                return
            self._emit(held, span.start)
        self._held = span

    def _emit(self, span: _SpeechSpan, following: int, *, is_last: bool = False) -> None:
        """Give out a piece with some silence on both sides, at most half of the pause to the next
        one."""
        room = int(PAD_SECONDS * SAMPLE_RATE)
        before = span.start - self._last_end
        after = following - span.end
        left = min(room, before // 2 if self._last_end else before)
        right = min(room, after if is_last else after // 2)
        spare = max(0, self._longest - (span.end - span.start)) // 2
        start, end = span.start - min(left, spare), span.end + min(right, spare)
        sound = self._sound[start - self._origin : end - self._origin].copy()
        self._out.append(Piece(start, sound, speech_probability=self._mean(span)))
        self._last_end = span.end

    def _mean(self, span: _SpeechSpan) -> float | None:
        """The mean probability of a stretch."""
        first = span.start // FRAME - self._forgotten
        heard = self._probabilities[first : -(-span.end // FRAME) - self._forgotten]
        return sum(heard) / len(heard) if heard else None

    def _quietest(self, start: int) -> int:
        """The best place to cut speech that does not end: the lowest energy over 100 ms."""
        first = start + self._longest // 2
        window = self._sound[first - self._origin : start + self._longest - self._origin]
        usable = window[: len(window) // _HOP * _HOP].reshape(-1, _HOP)
        energy = np.convolve((usable**2).mean(axis=1), np.ones(10) / 10, mode="same")
        return first + int(energy.argmin()) * _HOP + _HOP // 2

    def _forget(self) -> None:
        """Let go of the sound that no piece can need any more."""
        needed = self._frames * FRAME
        if self._open is not None:
            needed = min(needed, self._open)
        if self._held is not None:
            needed = min(needed, self._held.start)
        keep_from = max(self._origin, needed - int(PAD_SECONDS * SAMPLE_RATE) - FRAME)
        self._sound = self._sound[keep_from - self._origin :].copy()
        self._origin = keep_from
        fresh = keep_from // FRAME
        del self._probabilities[: fresh - self._forgotten]
        self._forgotten = fresh

    def _taken(self) -> list[Piece]:
        taken, self._out = self._out, []
        return taken
