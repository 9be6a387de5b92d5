"""Which words are whose: from embeddings of windows and the voices among them to words, and to
sentences of one speaker each. Arithmetic only."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

import numpy as np
import numpy.typing as npt

from seacod.speaker_encoders.base import Embeddings
from seacod.transcript import Segment, Token, mean_confidence

Seconds = npt.NDArray[np.float64]
Likenesses = npt.NDArray[np.float64]

# That the next word is somebody else's has to be worth so much likeness times seconds: inside a
# sentence, after a pause, and where a sentence begins. For voices that are as unlike as this; how
# unlike they are differs from encoder to encoder.
_USUAL_UNLIKENESS = 0.3
_CHANGE_COSTS = 0.12
_CHANGE_AFTER_PAUSE_COSTS = 0.04
_CHANGE_OF_SENTENCE_COSTS = 0.02
_PAUSE_SECONDS = 0.2
_SHORTEST_WORD_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class Windows:
    """What was embedded of a recording: for each window its place in seconds from the start of the
    file, and its piece of speech, as ascending numbers."""

    starts: Seconds
    ends: Seconds
    pieces: npt.NDArray[np.intp]
    embeddings: Embeddings


def attributed(segments: Sequence[Segment], windows: Windows, centres: Embeddings) -> list[Segment]:
    """The sentences, each of one speaker; one in which the speaker changes becomes several.

    Args:
        segments: in the order of the recording; those that have a speaker keep it.
        windows: of the same recording; at least one.
        centres: the voices.
    """
    words = [word for segment in segments if segment.speaker is None for word in _words(segment)]
    if not words:
        return list(segments)
    likenesses = _likenesses(words, windows, windows.embeddings @ centres.T) * _contrast(centres)
    voices = iter(_path(words, likenesses).tolist())
    names: dict[int, str] = {}
    named: list[Segment] = []
    for segment in segments:
        if segment.speaker is not None:
            named.append(segment)
            continue
        own = [next(voices) for _ in _words(segment)]
        for voice in own:
            names.setdefault(voice, f"S{len(names) + 1}")
        named += _divided(segment, [names[voice] for voice in own])
    return named


@dataclass(frozen=True, slots=True)
class _TimedWord:
    start: float
    end: float
    begins_sentence: bool


def _words(segment: Segment) -> list[_TimedWord]:
    """Where its words lie, or it as a whole where it has none."""
    if not segment.tokens:
        return [_TimedWord(segment.start_seconds, segment.end_seconds, True)]
    return [
        _TimedWord(token.start_seconds, token.end_seconds, number == 0)
        for number, token in enumerate(segment.tokens)
    ]


def _likenesses(
    words: Sequence[_TimedWord], windows: Windows, likenesses: Likenesses
) -> Likenesses:
    """How alike each word is to each voice: what the windows around it say, the nearer the more."""
    middles = (windows.starts + windows.ends) / 2
    reach = (windows.ends - windows.starts) / 2
    first = np.searchsorted(windows.pieces, np.arange(windows.pieces[-1] + 1))
    piece_starts = windows.starts[first]
    found = np.empty((len(words), likenesses.shape[1]))
    for number, word in enumerate(words):
        at = (word.start + word.end) / 2
        piece = max(0, int(np.searchsorted(piece_starts, at, side="right")) - 1)
        begin = first[piece]
        stop = first[piece + 1] if piece + 1 < len(first) else len(middles)
        distance = np.abs(middles[begin:stop] - at) / np.maximum(reach[begin:stop], 1e-3)
        # A word at the edge of its piece may lie in no window: then the nearest counts.
        weights = np.clip(1.0 - distance, 0.0, None)
        if not weights.any():
            weights[distance.argmin()] = 1.0
        found[number] = weights @ likenesses[begin:stop] / weights.sum()
    return found


def _contrast(centres: Embeddings) -> float:
    """By how much likenesses are to be multiplied, so that voices are as unlike as usual."""
    if len(centres) < 2:
        return 1.0
    others = ~np.eye(len(centres), dtype=bool)
    unlike = 1.0 - float((centres @ centres.T)[others].mean())
    return _USUAL_UNLIKENESS / max(unlike, 1e-4)


def _path(words: Sequence[_TimedWord], likenesses: Likenesses) -> npt.NDArray[np.intp]:
    """The voice of each word, so that likeness is greatest and changes are few (Viterbi)."""
    came_from = np.zeros(likenesses.shape, dtype=np.intp)
    same = np.arange(likenesses.shape[1])
    total = np.zeros(likenesses.shape[1])
    for number, word in enumerate(words):
        if number:
            best = int(total.argmax())
            changed = total[best] - _change_costs(words[number - 1], word)
            came_from[number] = np.where(total >= changed, same, best)
            total = np.maximum(total, changed)
        total = total + likenesses[number] * max(word.end - word.start, _SHORTEST_WORD_SECONDS)
    path = np.empty(len(words), dtype=np.intp)
    path[-1] = total.argmax()
    for number in range(len(words) - 1, 0, -1):
        path[number - 1] = came_from[number][path[number]]
    return path


def _change_costs(before: _TimedWord, word: _TimedWord) -> float:
    if word.begins_sentence:
        return _CHANGE_OF_SENTENCE_COSTS
    is_pause = word.start - before.end >= _PAUSE_SECONDS
    return _CHANGE_AFTER_PAUSE_COSTS if is_pause else _CHANGE_COSTS


def _divided(segment: Segment, speakers: list[str]) -> Iterator[Segment]:
    """A sentence with its speaker; divided where the speaker changes, if its text allows it."""
    tokens = tuple(
        replace(token, speaker=speaker)
        for token, speaker in zip(segment.tokens, speakers, strict=bool(segment.tokens))
    )
    turns = [list(turn) for _, turn in groupby(tokens, key=lambda token: token.speaker)]
    parts = _parts(segment.text, turns) if len(turns) > 1 else None
    if parts is None:
        most = max(dict.fromkeys(speakers), key=speakers.count)
        yield replace(segment, tokens=tokens, speaker=most)
        return
    for number, (text, turn) in enumerate(zip(parts, turns, strict=True)):
        start = segment.start_seconds if number == 0 else turn[0].start_seconds
        end = segment.end_seconds if number == len(turns) - 1 else turn[-1].end_seconds
        yield replace(
            segment,
            start_seconds=start,
            end_seconds=end,
            text=text,
            confidence=mean_confidence(turn),
            tokens=tuple(turn),
            speaker=turn[0].speaker,
        )


def _parts(text: str, turns: Sequence[Sequence[Token]]) -> list[str] | None:
    """The text of each turn, punctuation with what it follows; None where the text is not that of
    the words any more (numbers were written in digits)."""
    wanted = ["".join(filter(str.isalnum, "".join(t.text for t in turn))).lower() for turn in turns]
    if "".join(filter(str.isalnum, text)).lower() != "".join(wanted) or not all(wanted):
        return None
    parts = [""]
    left = len(wanted[0])
    for character in text:
        if character.isalnum() and not left:
            parts.append("")
            left = len(wanted[len(parts) - 1])
        left -= character.isalnum()
        parts[-1] += character
    return [part.strip() for part in parts]
