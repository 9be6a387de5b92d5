"""A voice activity model of FunASR's instead of the one in the decoding processes.

fsmn-vad cannot be fetched here; FunASR's own adapter of silero-vad has the same interface.
"""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import sounds

from seacod.asr import audio
from seacod.asr.audio import SAMPLE_RATE
from seacod.asr.recognisers.funasr_voice import FunasrVoice


@pytest.mark.full
def test_every_sentence_is_in_a_piece_over_all_windows() -> None:
    from funasr import AutoModel

    model = AutoModel(model="silero-vad", disable_update=True, disable_pbar=True)
    sentence = audio.decode(sounds.SPEECH, max_seconds=60)
    pause = np.zeros(int(1.5 * SAMPLE_RATE), dtype=np.float32)
    times = 45
    sound = np.concatenate([sentence, pause] * times)
    assert len(sound) > 3 * 60 * SAMPLE_RATE
    voice = FunasrVoice(model, 20.0)
    pieces = []
    for at in range(0, len(sound), 8 * SAMPLE_RATE):
        pieces += voice.feed(sound[at : at + 8 * SAMPLE_RATE])
    before_the_end = len(pieces)
    pieces += voice.end()
    assert before_the_end > times // 2
    for before, after in itertools.pairwise(pieces):
        assert before.end <= after.start
    for piece in pieces:
        assert np.array_equal(piece.samples, sound[piece.start : piece.end])
    period = len(sentence) + len(pause)
    for number in range(times):
        loud = np.flatnonzero(np.abs(sentence) > 0.1) + number * period
        assert any(p.start <= loud[0] and loud[-1] < p.end for p in pieces), number
    assert voice.speech > times * SAMPLE_RATE


def test_a_talker_who_never_pauses_is_cut_all_the_same() -> None:
    class Always:
        """Hears speech everywhere, as such models do in noise."""

        def generate(self, *, input: audio.Samples, **_: object) -> list[dict[str, object]]:
            return [{"value": [[0, len(input) * 1000 // SAMPLE_RATE]]}]

    voice = FunasrVoice(Always(), 20.0)
    block = np.random.default_rng(3).normal(0, 0.1, 7 * SAMPLE_RATE).astype(np.float32)
    pieces = []
    for _ in range(60):
        pieces += voice.feed(block)
        assert len(voice._window) <= 130 * SAMPLE_RATE
    pieces += voice.end()
    assert sum(len(p.samples) for p in pieces) == 60 * len(block)
