"""Speech found and cut: the same whatever way the stream comes in, nothing said is lost."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import sounds
from hypothesis import given
from hypothesis import strategies as st

from seacod.asr import audio
from seacod.asr.audio import SAMPLE_RATE, Samples
from seacod.asr.decoder.cutting import Cutter
from seacod.asr.decoder.voice import FRAME, SileroVoice
from seacod.asr.piece import Piece

LONG = max(sounds.EXAMPLES, key=lambda e: float(e["seconds"]))


@pytest.fixture(scope="module")
def speech() -> Samples:
    return audio.decode(sounds.EXAMPLES_DIRECTORY / LONG["file"], max_seconds=300)


def cut(
    samples: Samples, marks: Samples, sizes: list[int], longest: float, *, is_clip: bool = False
) -> list[Piece]:
    """Feed in blocks of these sizes, over and over, as the decoder does."""
    cutter = Cutter(longest, is_clip=is_clip)
    pieces: list[Piece] = []
    at = frame = 0
    for size in itertools.cycle(sizes):
        if at >= len(samples):
            break
        block = samples[at : at + size]
        at += len(block)
        whole = at // FRAME
        pieces += cutter.feed(block, marks[frame:whole])
        frame = whole
    pieces += cutter.feed(samples[:0], marks[frame:])
    return pieces + cutter.finish()


@st.composite
def stretches(draw: st.DrawFn) -> list[tuple[int, int]]:
    """Speech and silence in turns, in frames."""
    return draw(st.lists(st.tuples(st.integers(0, 90), st.integers(1, 900)), max_size=6))


@given(
    stretches(),
    st.sampled_from([2.0, 5.0, 20.0]),
    st.lists(st.integers(1, 200_000), min_size=1, max_size=4),
    st.booleans(),
)
def test_pieces_hold_all_speech_and_do_not_depend_on_the_blocks(
    turns: list[tuple[int, int]], longest: float, sizes: list[int], is_clip: bool
) -> None:
    marks = np.concatenate(
        [np.zeros(0)] + [np.repeat([0.0, 1.0], [quiet, loud]) for quiet, loud in turns]
    ).astype(np.float32)
    samples = np.random.default_rng(1).normal(0, 0.1, len(marks) * FRAME).astype(np.float32)
    pieces = cut(samples, marks, [8 * SAMPLE_RATE], longest, is_clip=is_clip)
    again = cut(samples, marks, sizes, longest, is_clip=is_clip)
    assert [(p.start, len(p.samples)) for p in pieces] == [(p.start, len(p.samples)) for p in again]
    for piece in pieces:
        assert np.array_equal(piece.samples, samples[piece.start : piece.end])
        assert len(piece.samples) <= longest * SAMPLE_RATE + FRAME
    for before, after in itertools.pairwise(pieces):
        assert before.end <= after.start
    inside = np.zeros(len(samples), dtype=bool)
    for piece in pieces:
        inside[piece.start : piece.end] = True
    at = 0
    for quiet, loud in turns:
        start, at = at + quiet, at + quiet + loud
        # A click too short for a word may go.
        if loud * FRAME > 0.3 * SAMPLE_RATE:
            assert inside[start * FRAME : at * FRAME].all()


@given(st.lists(st.tuples(st.integers(1, 37), st.integers(10, 90)), min_size=1, max_size=6))
def test_what_fits_is_not_cut(turns: list[tuple[int, int]]) -> None:
    """Pauses below 1.2 s, twenty seconds in all at most."""
    marks = np.concatenate(
        [np.repeat([0.0, 1.0], [quiet, loud]) for quiet, loud in turns] + [np.zeros(5)]
    ).astype(np.float32)[: 20 * SAMPLE_RATE // FRAME]
    samples = np.random.default_rng(1).normal(0, 0.1, len(marks) * FRAME).astype(np.float32)
    assert len(cut(samples, marks, [8 * SAMPLE_RATE], 20.0, is_clip=True)) == 1


def test_a_clip_with_a_long_pause_is_two_pieces() -> None:
    marks = np.repeat([1.0, 0.0, 1.0], [60, 120, 60]).astype(np.float32)
    samples = np.zeros(len(marks) * FRAME, dtype=np.float32)
    assert len(cut(samples, marks, [FRAME], 20.0, is_clip=True)) == 2


def test_voice_is_what_the_network_says_frame_by_frame(speech: Samples) -> None:
    """Against silero-vad's own streaming model, which FunASR uses."""
    import torch
    from silero_vad import load_silero_vad

    stream = load_silero_vad()
    expected = []
    for at in range(0, len(speech), FRAME):
        chunk = np.pad(speech[at : at + FRAME], (0, max(0, at + FRAME - len(speech))))
        expected.append(stream(torch.from_numpy(chunk), SAMPLE_RATE).item())
    voice = SileroVoice()
    for sizes in ([len(speech)], [1000, 1, 77_777], [160]):
        voice.begin()
        found, at = [], 0
        for size in itertools.cycle(sizes):
            if at >= len(speech):
                break
            found.append(voice.feed(speech[at : at + size]))
            at += size
        found.append(voice.end())
        assert np.concatenate(found) == pytest.approx(expected, abs=2e-3)


def test_stretches_are_those_of_the_library(speech: Samples) -> None:
    from silero_vad import get_speech_timestamps_from_probs

    voice = SileroVoice()
    marks = np.concatenate([voice.feed(speech), voice.end()])
    theirs = get_speech_timestamps_from_probs(
        marks.tolist(), min_silence_duration_ms=300, audio_length_samples=len(speech)
    )
    pieces = cut(speech, marks, [len(speech)], 20.0)
    # Every stretch of theirs lies in one piece of ours; ours may join some.
    for stretch in theirs:
        assert any(p.start <= stretch["start"] and stretch["end"] <= p.end for p in pieces)
    assert len(pieces) <= len(theirs)


def test_hours_of_noise_do_not_fill_the_memory() -> None:
    """Music counts as speech without end: it is cut all the same, and let go of."""
    cutter = Cutter(20.0)
    block = np.random.default_rng(2).normal(0, 0.1, 8 * SAMPLE_RATE).astype(np.float32)
    pieces = []
    for _ in range(60):
        pieces += cutter.feed(block, np.ones(8 * SAMPLE_RATE // FRAME, dtype=np.float32))
        assert len(cutter._sound) <= 50 * SAMPLE_RATE
    assert sum(len(p.samples) for p in pieces) > 400 * SAMPLE_RATE
