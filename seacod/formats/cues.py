"""Subtitles that fit a screen: sentences cut into cues of at most so many seconds and two lines.

Cut at punctuation, at pauses, else between words. Cues have their times from the words; they last
a second at least, never overlap, and follow each other without short gaps. Called by the formats
with cues; arithmetic on `Segment` only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from seacod.formats.base import CueLimits
from seacod.formats.words import Word, is_wide, words_of
from seacod.transcript import Segment

_SENTENCE_ENDS = frozenset("。！？!?；;…")
_CLAUSE_ENDS = frozenset("，、：,:—")
_CLOSING = "”’）》〉」』】〕)]}\"'"
# What a cut costs: most between two words that follow each other at once.
_CLAUSE_COST = 1.0
_WORD_COST = 8.0
_SECOND_OF_PAUSE = 12.0
# Models give characters a fixed length: what is shorter is no pause.
_LEAST_PAUSE_SECONDS = 0.15
# Each cue more, and one that is shorter than a cue should be.
_CUE_COST = 4.0
_SHORT_COST = 10.0
_SHORTEST_MS = 1000
_GAP_MS = 500
# A full line is read in this time, by those who read fast.
_LINE_MS = 1200


@dataclass(frozen=True, slots=True)
class Cue:
    """What is on the screen for some time: `lines`, one or two, or `text`, all of it in one."""

    start_seconds: float
    end_seconds: float
    lines: tuple[str, ...]
    text: str
    speaker: str | None = None


@dataclass(frozen=True, slots=True)
class _Draft:
    """Words that are shown together, as they were said; times in milliseconds."""

    words: tuple[Word, ...]
    start: int
    end: int
    speaker: str | None
    label: str


def cues(
    segments: Sequence[Segment],
    duration_seconds: float,
    limits: CueLimits,
    label: Callable[[Segment], str] = lambda segment: "",
) -> list[Cue]:
    """The cues of a recording, in order.

    Args:
        segments: its sentences.
        duration_seconds: its length, past which no cue lasts.
        limits: how long and how wide a cue may be.
        label: what is written before the text of each, such as who speaks.
    """
    drafts = [draft for one in segments for draft in _cut(one, limits, label(one))]
    drafts.sort(key=lambda draft: draft.start)
    drafts = _without_short_ones(drafts, limits)
    ends = [round(duration_seconds * 1000), *(draft.end for draft in drafts)]
    times = _times(drafts, max(ends), limits)
    return [
        Cue(
            start / 1000,
            end / 1000,
            _lines(draft, limits),
            draft.label + _text(draft.words),
            draft.speaker,
        )
        for draft, (start, end) in zip(drafts, times, strict=True)
    ]


def _cut(segment: Segment, limits: CueLimits, label: str) -> Iterator[_Draft]:
    """Cut one sentence."""
    words = words_of(segment)
    for first, end in pairwise(_bounds(words, limits, label)):
        start = words[first].start_seconds
        # The sound of the last word may go on a little.
        stop = segment.end_seconds if end == len(words) else words[end - 1].end_seconds
        stop = min(max(stop, words[end - 1].end_seconds), start + limits.seconds)
        part = (replace(words[first], is_after_blank=False), *words[first + 1 : end])
        yield _Draft(part, round(start * 1000), round(stop * 1000), segment.speaker, label)


def _bounds(words: Sequence[Word], limits: CueLimits, label: str) -> list[int]:
    """Where cues begin and end, so that it costs least: the shortest path over the words."""
    if _fits(words, limits, label):
        return [0, len(words)]
    best = [0.0] + [float("inf")] * len(words)
    back = [0] * (len(words) + 1)
    widths = [_width(word.text, limits) for word in words]
    cut_costs = [0.0, *(_cut_cost(one, two) for one, two in pairwise(words)), 0.0]
    for first, word in enumerate(words):
        start, so_far = word.start_seconds, best[first] + _CUE_COST
        for end in _fitting_ends(words, widths, first, limits, label):
            # The emptier a cue, the more it costs; one that is short costs most.
            seconds = words[end - 1].end_seconds - start
            cost = so_far + cut_costs[end] + (1 - seconds / limits.seconds) ** 2
            if seconds * 1000 < _SHORTEST_MS:
                cost += _SHORT_COST
            if cost < best[end]:
                best[end], back[end] = cost, first
    bounds = [len(words)]
    while bounds[-1]:
        bounds.append(back[bounds[-1]])
    return bounds[::-1]


def _fitting_ends(
    words: Sequence[Word], widths: Sequence[int], first: int, limits: CueLimits, label: str
) -> Iterator[int]:
    """Where a cue that begins with a word may end: one word at least, however long it is."""
    yield first + 1
    room, blank = limits.line_width, _width(" ", limits)
    lines, width = 1, _label_width(label, limits) + widths[first]
    # A word that is wider than a line has its cue to itself.
    if width > room:
        return
    latest = words[first].start_seconds + limits.seconds
    for number in range(first + 1, len(words)):
        word, own = words[number], widths[number]
        added = width + own + (blank if word.is_after_blank else 0)
        lines, width = (lines, added) if added <= room else (lines + 1, own)
        if word.end_seconds > latest or lines > limits.lines or own > room:
            return
        yield number + 1


def _cut_cost(before: Word, after: Word) -> float:
    mark = before.text.rstrip(_CLOSING)[-1:]
    if mark in _SENTENCE_ENDS:
        return 0.0
    if mark in _CLAUSE_ENDS or (mark == "." and after.is_after_blank):
        return _CLAUSE_COST
    pause = max(0.0, after.start_seconds - before.end_seconds - _LEAST_PAUSE_SECONDS)
    return max(_CLAUSE_COST, _WORD_COST - _SECOND_OF_PAUSE * pause)


def _without_short_ones(drafts: Sequence[_Draft], limits: CueLimits) -> list[_Draft]:
    """Show a cue that has no second to itself with a neighbour of the same speaker, if it fits."""
    merged: list[_Draft] = []
    for number, draft in enumerate(drafts):
        last = merged[-1] if merged else None
        following = drafts[number + 1].start if number + 1 < len(drafts) else None
        is_short = following is not None and following - draft.start < _SHORTEST_MS
        if last and (is_short or draft.start - last.start < _SHORTEST_MS):
            both = _merged(last, draft, limits)
            if both:
                merged[-1] = both
                continue
        merged.append(draft)
    return merged


def _merged(one: _Draft, two: _Draft, limits: CueLimits) -> _Draft | None:
    if (one.speaker, one.label) != (two.speaker, two.label) or two.start - one.end > _GAP_MS:
        return None
    has_blank = one.words[-1].text[-1].isalnum()
    words = (*one.words, replace(two.words[0], is_after_blank=has_blank), *two.words[1:])
    is_long = max(one.end, two.end) - one.start > limits.seconds * 1000
    if is_long or not _fits(words, limits, one.label):
        return None
    return replace(one, words=words, end=max(one.end, two.end))


def _times(drafts: Sequence[_Draft], end: int, limits: CueLimits) -> list[tuple[int, int]]:
    """Start and end of each cue in milliseconds: in order, without overlap, long enough."""
    if not drafts:
        return []
    longest = round(limits.seconds * 1000)
    # A second for each, where there are that many.
    shortest = min(_SHORTEST_MS, longest, end // len(drafts))
    needs = [shortest] * len(drafts)
    for number, (draft, next_draft) in enumerate(pairwise(drafts)):
        # Who is talked over is to be read, too.
        if draft.end > next_draft.start:
            needs[number] = min(longest, max(shortest, _reading_ms(draft, limits)))
    if sum(needs) > end:
        needs = [shortest] * len(drafts)
    starts = [draft.start for draft in drafts]
    for number in range(1, len(starts)):
        starts[number] = max(starts[number], starts[number - 1] + needs[number - 1])
    latest = end
    for number in reversed(range(len(starts))):
        latest = starts[number] = min(starts[number], latest - needs[number])
    times = []
    for number, (draft, start) in enumerate(zip(drafts, starts, strict=True)):
        is_last = number + 1 == len(starts)
        following = end if is_last else starts[number + 1]
        stop = max(draft.end, start + shortest)
        if not is_last and following - stop <= _GAP_MS:
            stop = following
        times.append((start, min(stop, following, start + longest)))
    return times


def _reading_ms(draft: _Draft, limits: CueLimits) -> int:
    """The least time in which a cue can be read."""
    return round(_LINE_MS * _width(_text(draft.words), limits) / limits.line_width)


def _fits(words: Sequence[Word], limits: CueLimits, label: str) -> bool:
    """Whether words can be one cue."""
    if not words:
        return False
    widths = [_width(word.text, limits) for word in words]
    return max(_fitting_ends(words, widths, 0, limits, label)) == len(words)


def _lines(draft: _Draft, limits: CueLimits) -> tuple[str, ...]:
    """Divide a cue into two lines where that reads best; one line where it fits."""
    words = draft.words
    named = _label_width(draft.label, limits)
    whole = _text(words)
    if len(words) == 1 or named + _width(whole, limits) <= limits.line_width:
        return (draft.label + whole,)
    chosen, least = 1, float("inf")
    above, rest = named, _width(whole, limits)
    for cut in range(1, len(words)):
        # A blank at the cut belongs to neither line.
        blank = _width(" ", limits) if words[cut - 1].is_after_blank and cut > 1 else 0
        own = _width(words[cut - 1].text, limits)
        above, rest = above + blank + own, rest - blank - own
        below = rest - (_width(" ", limits) if words[cut].is_after_blank else 0)
        if max(above, below) > limits.line_width:
            continue
        uneven = abs(above - below) / limits.line_width
        cost = _cut_cost(words[cut - 1], words[cut]) + _WORD_COST * uneven
        if cost < least:
            chosen, least = cut, cost
    return (draft.label + _text(words[:chosen]), _text(words[chosen:]))


def _text(words: Sequence[Word]) -> str:
    text = "".join((" " if word.is_after_blank else "") + word.text for word in words)
    return text.strip()


def _width(text: str, limits: CueLimits) -> int:
    """So that a line is full with as many characters of either kind as it may have."""
    return sum(limits.narrow if is_wide(character) else limits.wide for character in text)


def _label_width(label: str, limits: CueLimits) -> int:
    """Nothing for a name so long that it would leave no room for words: its line is longer."""
    width = _width(label, limits)
    return width if 2 * width <= limits.line_width else 0
