"""Numbers from outside have ranges: none counts for ever or breaks what is written with it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from seacod.formats import registry
from seacod.formats.base import Choices
from seacod.transcript import Segment, Transcript
from seacod.web.routes.live import Start

BAD = ["1e308", "-1e308", "NaN", "Infinity", "-Infinity", "-1", "1e7", "9" * 5000, "[]", '"x"']


@pytest.mark.parametrize("number", BAD)
@pytest.mark.parametrize("name", ["offset_seconds", "sample_rate", "start", "end", "confidence"])
def test_a_number_out_of_range_is_no_start(name: str, number: str) -> None:
    sentence = '"before": [{"start": 1, "end": 2, "text": "x", "confidence": 0.5}]'
    body = f'{{"type": "start", "sample_rate": 16000, "offset_seconds": 0, {sentence}}}'
    old = json.dumps({"start": 1, "end": 2, "confidence": 0.5, "sample_rate": 16000,
                      "offset_seconds": 0}[name])  # fmt: skip
    wrong = body.replace(f'"{name}": {old}', f'"{name}": {number}')
    assert wrong != body
    assert Start.model_validate_json(body)
    with pytest.raises(ValidationError):
        Start.model_validate_json(wrong)


def test_depth_and_nonsense_are_no_start() -> None:
    for body in ("[" * 100_000, '{"before":' * 50_000, '{"type":"start","hotwords":"\\ud800"}'):
        with pytest.raises(ValidationError):
            Start.model_validate_json(body)


@settings(deadline=None)
@given(st.floats(0, 1e6), st.floats(0, 1e6), st.none() | st.floats(0, 1))
def test_whatever_is_let_in_can_be_written(start: float, end: float, sure: float | None) -> None:
    body: dict[str, Any] = {"start": start, "end": end, "text": "今天", "confidence": sure}
    sentence = Start.model_validate({"type": "start", "before": [body]}).before[0]
    segment = Segment(sentence.start, sentence.end, sentence.text, sentence.confidence)
    transcript = Transcript("今天", (segment,), 1e6, 0.0, 0.0, sure, "builtin", "cpu")
    for one in registry.all_formats():
        assert one.render(transcript, Choices(("segment", "word")))
