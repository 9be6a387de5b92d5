"""JSON in the shape of OpenAI's diarized transcriptions: who says what.

Shape: https://platform.openai.com/docs/api-reference/audio/diarized-json-object. Speakers are told
apart for whoever asks for this format.
"""

from __future__ import annotations

from typing import Any

from seacod.formats.base import Choices, OutputFormat
from seacod.formats.remarks import warnings_json
from seacod.transcript import Transcript


def segments(transcript: Transcript) -> list[dict[str, Any]]:
    """Each sentence with its speaker."""
    return [
        {
            "type": "transcript.text.segment",
            "id": f"seg_{number:03}",
            "start": round(segment.start_seconds, 3),
            "end": round(segment.end_seconds, 3),
            "text": segment.text,
            "speaker": segment.speaker or "",
        }
        for number, segment in enumerate(transcript.segments, 1)
    ]


def _render(transcript: Transcript, choices: Choices) -> dict[str, Any]:
    return {
        "task": "transcribe",
        "duration": round(transcript.duration_seconds, 3),
        "text": transcript.text,
        "segments": segments(transcript),
        **warnings_json(transcript),
    }


FORMAT = OutputFormat(
    "diarized_json", ".json", "application/json", "JSON with speakers, as OpenAI's API",
    "JSON（带说话人，OpenAI 格式）", 25, render=_render, render_openai=_render, is_json=True,
    needs_speakers=True,
)  # fmt: skip
