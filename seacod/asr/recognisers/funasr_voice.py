"""A voice activity model of FunASR's (fsmn-vad, a directory) instead of silero-vad.

FunASR wants whole recordings, so it is given windows; a window's end is given again with the next
one unless it was silent. Its stretches become the speech probabilities that `decoder/cutting.py`
works with. Not thread-safe: `service.py` has one thread for it.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from seacod.asr.audio import SAMPLE_RATE, Samples
from seacod.asr.decoder.cutting import Cutter
from seacod.asr.decoder.voice import FRAME, Probabilities
from seacod.asr.piece import Piece
from seacod.asr.recognisers.quiet import quiet

_WINDOW = 60 * SAMPLE_RATE
# So much silence at the end of a window, and nothing before it can change any more.
_SILENT = SAMPLE_RATE
# Shorter ones end FunASR without an exception (1.4.16).
_SHORTEST = SAMPLE_RATE // 10


class FunasrVoice:
    """Pieces of speech of one recording, given block by block.

    Args:
        model: FunASR's AutoModel for voice activity.
        max_piece_seconds: longest piece.
        is_clip: the recording is known to be no longer than that.
    """

    def __init__(self, model: Any, max_piece_seconds: float, is_clip: bool = False) -> None:
        self._model = model
        self._max_piece_seconds = max_piece_seconds
        self._cutter = Cutter(max_piece_seconds, is_clip=is_clip)
        # Sound that was not given to the cutter yet; begins at a frame.
        self._window: Samples = np.zeros(0, dtype=np.float32)

    def feed(self, samples: Samples) -> list[Piece]:
        """Take the next block; returns the pieces that are finished."""
        self._window = np.concatenate((self._window, samples))
        return self._use(is_last=False) if len(self._window) >= _WINDOW else []

    def end(self) -> list[Piece]:
        """The recording is over; returns the pieces that are left."""
        return self._use(is_last=True) + self._cutter.finish()

    @property
    def speech(self) -> int:
        """The speech found so far, in samples."""
        return self._cutter.speech

    def _use(self, *, is_last: bool) -> list[Piece]:
        marks = self._marks()
        certain = len(marks)
        if not is_last:
            certain = self._certain(marks)
            if not certain:
                # Somebody talks on and on: then the window's end has to do.
                whole = len(self._window) // FRAME
                certain = whole if len(self._window) > 2 * _WINDOW else 0
        if not certain:
            return []
        until = len(self._window) if is_last else certain * FRAME
        pieces = self._cutter.feed(self._window[:until], marks[:certain])
        self._window = self._window[until:].copy()
        return pieces

    def _certain(self, marks: Probabilities) -> int:
        """Frames up to the middle of the last long silence."""
        wanted = _SILENT // FRAME
        run = 0
        for index in range(len(marks) - 1, -1, -1):
            run = run + 1 if marks[index] == 0 else 0
            if run >= wanted:
                return index + wanted // 2
        return 0

    def _marks(self) -> Probabilities:
        """A mark for each frame: 1 inside a stretch of speech, 0 outside."""
        marks = np.zeros(-(-len(self._window) // FRAME), dtype=np.float32)
        if len(self._window) < _SHORTEST:
            return marks
        with quiet():
            results = self._model.generate(
                input=self._window,
                cache={},
                # Long ones are cut at quiet places later.
                max_single_segment_time=int(_WINDOW / SAMPLE_RATE * 1000),
            )
        per_ms = SAMPLE_RATE / 1000
        for begin, end in results[0]["value"] if results else []:
            marks[int(begin * per_ms) // FRAME : -(-int(end * per_ms) // FRAME)] = 1.0
        return marks
