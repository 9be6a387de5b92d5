"""What a wave is drawn from: how loud each tenth of a second of a recording is."""

from __future__ import annotations

import base64

import numpy as np
import pytest

from seacod.asr.sound.peaks import Peaks
from seacod.errors import BadRequest
from seacod.formats import asked, full_json
from seacod.formats.base import Choices
from seacod.transcript import Transcript

TENTH = 1600


def tone(seconds: float, loud: float) -> np.ndarray:
    return np.full(round(16_000 * seconds), loud, np.float32)


def test_each_tenth_has_its_loudest_sample() -> None:
    peaks = Peaks()
    peaks.add(0, np.concatenate([tone(0.1, 0.5), tone(0.1, -1.0), tone(0.05, 0.1)]))
    assert list(peaks.told(4000)) == [127, 255, 25]


@pytest.mark.parametrize("step", [1, 7, 1599, 1600, 1601, 20_000])
def test_blocks_may_be_cut_anywhere(step: int) -> None:
    rng = np.random.default_rng(step)
    samples = rng.uniform(-1, 1, 8_000 if step < 10 else 50_000).astype(np.float32)
    whole, parts = Peaks(), Peaks()
    whole.add(0, samples)
    for at in range(0, len(samples), step):
        parts.add(at, samples[at : at + step])
    assert parts.told(len(samples)) == whole.told(len(samples))
    assert len(whole.told(len(samples))) == -(-len(samples) // TENTH)


def test_voices_at_once_the_loudest_counts_and_a_gap_is_silent() -> None:
    peaks = Peaks()
    peaks.add(0, tone(0.2, 0.1))
    peaks.add(0, tone(0.1, 0.4))
    peaks.add(8_000, tone(0.1, 2.0))
    peaks.add(0, tone(0.0, 0.0))
    assert list(peaks.told(9_600)) == [102, 25, 0, 0, 0, 255]


def test_what_is_no_number_is_silence() -> None:
    peaks = Peaks()
    peaks.add(0, np.full(TENTH, np.nan, np.float32))
    assert list(peaks.told(TENTH)) == [0]


def test_json_has_them_for_who_asks() -> None:
    said = Transcript("", (), 0.2, 0.0, 0.0, None, "m", "cpu", peaks=b"\x01\xff")
    assert "peaks" not in full_json.FORMAT.render(said, Choices())
    body = full_json.FORMAT.render(said, asked.choices({"peaks": "true"}))
    assert isinstance(body, dict)
    assert body["peaks"]["per_second"] == 10
    assert base64.b64decode(body["peaks"]["values"]) == b"\x01\xff"
    with pytest.raises(BadRequest, match="peaks"):
        asked.choices({"peaks": "perhaps"})
