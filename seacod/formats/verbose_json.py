"""JSON in the shape of OpenAI's transcription API.

What our model has no value for (avg_logprob and the like) is left out, not made up.
"""

from __future__ import annotations

from typing import Any

from seacod.formats.base import Choices, OutputFormat, rounded
from seacod.transcript import Segment, Token, Transcript


def _render(transcript: Transcript, choices: Choices) -> dict[str, Any]:
    body: dict[str, Any] = {
        "task": "transcribe",
        "language": "chinese",
        "duration": round(transcript.duration_seconds, 3),
        "text": transcript.text,
    }
    if "segment" in choices.granularities:
        body["segments"] = [
            {
                "id": number,
                "start": round(segment.start_seconds, 3),
                "end": round(segment.end_seconds, 3),
                "text": segment.text,
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


def _whose(said: Segment | Token) -> dict[str, str]:
    return {"speaker": said.speaker} if said.speaker else {}


FORMAT = OutputFormat(
    "verbose_json", ".json", "application/json", "JSON in OpenAI's shape", "JSON（OpenAI 格式）",
    20, render=_render, render_openai=_render, is_json=True,
)  # fmt: skip
