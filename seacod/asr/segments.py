"""Stretches of speech: padded, joined and cut so that the model gets pieces of a good length.

Pure arithmetic on sample positions; the voice activity detection itself is in `engine.py`.
"""

from __future__ import annotations

import numpy as np

from seacod.asr.audio import SAMPLE_RATE, Samples

# A detector cuts close; consonants at the edges are quiet. The model was trained with some
# silence at the end, by which it recognises that nothing more comes.
_PAD_SECONDS = 0.2
# Pauses shorter than this do not end a sentence; cutting there only costs context.
_JOIN_SECONDS = 0.35
_PREFERRED_SECONDS = 12.0
_HOP = SAMPLE_RATE // 100

Span = tuple[int, int]


def refine(speech: list[Span], samples: Samples, max_seconds: float) -> list[Span]:
    """Spans for the model, in order, none overlapping another, none longer than `max_seconds`.

    Args:
        speech: start and end of detected speech, in samples, in order.
        samples: the whole recording.
        max_seconds: longest span.
    """
    cut: list[Span] = []
    for span in _join(speech):
        cut += _split(span, samples, int(max_seconds * SAMPLE_RATE))
    return _pad(cut, len(samples), int(max_seconds * SAMPLE_RATE))


def _join(speech: list[Span]) -> list[Span]:
    joined: list[Span] = []
    for start, end in speech:
        if joined:
            before = joined[-1]
            is_close = start - before[1] < _JOIN_SECONDS * SAMPLE_RATE
            if is_close and end - before[0] < _PREFERRED_SECONDS * SAMPLE_RATE:
                joined[-1] = (before[0], end)
                continue
        joined.append((start, end))
    return joined


def _split(span: Span, samples: Samples, longest: int) -> list[Span]:
    """Cut at the quietest place of the second half of what fits, until all of it fits."""
    start, end = span
    pieces = []
    while end - start > longest:
        window = samples[start + longest // 2 : start + longest]
        usable = window[: len(window) // _HOP * _HOP].reshape(-1, _HOP)
        energy = np.convolve((usable**2).mean(axis=1), np.ones(10) / 10, mode="same")
        place = start + longest // 2 + (int(energy.argmin()) * _HOP + _HOP // 2)
        pieces.append((start, place))
        start = place
    return [*pieces, (start, end)]


def _pad(spans: list[Span], total: int, longest: int) -> list[Span]:
    """Some silence on both sides, never more than half of the pause to the neighbour."""
    padded = []
    room = int(_PAD_SECONDS * SAMPLE_RATE)
    for index, (start, end) in enumerate(spans):
        before = spans[index - 1][1] if index else 0
        after = spans[index + 1][0] if index + 1 < len(spans) else total
        left = min(room, (start - before) // 2 if index else start)
        right = min(room, (after - end) // 2 if index + 1 < len(spans) else total - end)
        spare = max(0, longest - (end - start)) // 2
        padded.append((start - min(left, spare), end + min(right, spare)))
    return padded


def batches(lengths: list[int], padded_seconds: float) -> list[list[int]]:
    """Which spans go to the model together.

    Spans of like length share a batch, and what a batch occupies, the longest times the count,
    stays within the budget; FunASR's own `batch_size_s` does not bound that.

    Args:
        lengths: of each span, in samples.
        padded_seconds: budget of one batch; a single span may be longer.

    Returns:
        Indices into `lengths`, every one in exactly one batch.
    """
    budget = padded_seconds * SAMPLE_RATE
    planned: list[list[int]] = []
    for index in sorted(range(len(lengths)), key=lambda i: lengths[i]):
        # Ascending: the newest is the longest of its batch.
        if planned and lengths[index] * (len(planned[-1]) + 1) <= budget:
            planned[-1].append(index)
        else:
            planned.append([index])
    return planned
