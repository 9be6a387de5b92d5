"""Spans for the model: nothing said is lost, nothing is too long, no batch is over its budget."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from seacod.asr import segments
from seacod.asr.audio import SAMPLE_RATE
from seacod.asr.segments import Span

SECOND = SAMPLE_RATE


@st.composite
def speech(draw: st.DrawFn) -> list[Span]:
    """What a detector might report, in order."""
    spans, at = [], 0
    for pause, length in draw(
        st.lists(st.tuples(st.integers(0, 3 * SECOND), st.integers(400, 40 * SECOND)), max_size=6)
    ):
        at += pause
        spans.append((at, at + length))
        at += length
    return spans


@settings(max_examples=60, deadline=None)
@given(speech(), st.integers(0, 2 * SECOND), st.sampled_from([5.0, 15.0, 30.0]))
def test_every_spoken_sample_is_in_exactly_one_span(
    spoken: list[Span], tail: int, longest: float
) -> None:
    total = (spoken[-1][1] if spoken else 0) + tail
    samples = np.random.default_rng(1).normal(0, 0.1, total).astype(np.float32)
    spans = segments.refine(spoken, samples, longest)
    assert all(0 <= a < b <= total for a, b in spans)
    assert all(before[1] <= after[0] for before, after in zip(spans, spans[1:], strict=False))
    assert all(b - a <= longest * SECOND for a, b in spans)
    covered = np.zeros(total, dtype=np.int8)
    for a, b in spans:
        covered[a:b] += 1
    for a, b in spoken:
        assert (covered[a:b] == 1).all()


def test_short_pauses_do_not_cut_a_sentence() -> None:
    samples = np.zeros(4 * SECOND, dtype=np.float32)
    spoken = [(0, SECOND), (int(1.2 * SECOND), 2 * SECOND), (3 * SECOND, 4 * SECOND)]
    assert len(segments.refine(spoken, samples, 30.0)) == 2


def test_a_cut_falls_into_the_quietest_place() -> None:
    samples = np.full(20 * SECOND, 0.5, dtype=np.float32)
    quiet = 8 * SECOND
    samples[quiet : quiet + SECOND // 4] = 0.0
    first, second = segments.refine([(0, 20 * SECOND)], samples, 12.0)[:2]
    assert quiet <= first[1] <= quiet + SECOND // 4
    assert second[0] == first[1]


@given(st.lists(st.integers(1600, 30 * SECOND), max_size=60), st.sampled_from([2.0, 60.0, 300.0]))
def test_batches_hold_everything_once_and_keep_the_budget(
    lengths: list[int], seconds: float
) -> None:
    planned = segments.batches(lengths, seconds)
    assert sorted(i for batch in planned for i in batch) == list(range(len(lengths)))
    for batch in planned:
        padded = max(lengths[i] for i in batch) * len(batch)
        assert padded <= seconds * SECOND or len(batch) == 1
