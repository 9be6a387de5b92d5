"""JSON in the shape of OpenAI's transcription API, with all its fields.

Shape: https://platform.openai.com/docs/api-reference/audio/verbose-json-object. What is not known
is null, not made up; docs/clients.md says how each figure is made.
"""

from __future__ import annotations

import zlib
from typing import Any

from seacod.formats.base import Choices, OutputFormat, rounded
from seacod.formats.languages import language_name
from seacod.formats.log_probabilities import logarithm
from seacod.formats.remarks import warnings_json
from seacod.transcript import Segment, Token, Transcript

# `seek` counts them in the API.
_FRAMES_A_SECOND = 100


def _render(transcript: Transcript, choices: Choices) -> dict[str, Any]:
    body: dict[str, Any] = {
        "task": "transcribe",
        "language": language_name(transcript.language)[0].lower(),
        "duration": round(transcript.duration_seconds, 3),
        "text": transcript.text,
        **warnings_json(transcript),
    }
    if "segment" in choices.granularities:
        body["segments"] = [
            {
                "id": number,
                "seek": round(segment.start_seconds * _FRAMES_A_SECOND),
                "start": round(segment.start_seconds, 3),
                "end": round(segment.end_seconds, 3),
                "text": segment.text,
                "tokens": [one for token in segment.tokens for one in token.numbers],
                "temperature": 0.0,
                "avg_logprob": _mean_logarithm(segment),
                "compression_ratio": _compression(segment.text),
                "no_speech_prob": _without_speech(segment),
                "confidence": rounded(segment.confidence),
                **_whose(segment),
            }
            for number, segment in enumerate(transcript.segments)
        ]
    if "word" in choices.granularities:
        body["words"] = [
            {
                "word": token.text,
                "start": round(token.start_seconds, 3),
                "end": round(token.end_seconds, 3),
                **_whose(token),
            }
            for segment in transcript.segments
            for token in segment.tokens
        ]
    return body


def _mean_logarithm(segment: Segment) -> float | None:
    """Over the tokens whose posterior is known."""
    known = [found for token in segment.tokens if (found := logarithm(token)) is not None]
    return rounded(sum(known) / len(known)) if known else None


def _compression(text: str) -> float:
    """How much shorter the text gets when it is compressed: much, where it repeats itself."""
    written = text.encode("utf-8", "replace")
    return round(len(written) / len(zlib.compress(written)), 4)


def _without_speech(segment: Segment) -> float | None:
    found = segment.speech_probability
    return None if found is None else rounded(1.0 - found)


def _whose(said: Segment | Token) -> dict[str, str]:
    return {"speaker": said.speaker} if said.speaker else {}


FORMAT = OutputFormat(
    "verbose_json", ".json", "application/json", "JSON in OpenAI's shape", "JSON（OpenAI 格式）",
    20, render=_render, render_openai=_render, is_json=True,
    reads=("timestamp_granularities",),
)  # fmt: skip
