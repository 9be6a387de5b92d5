"""Everything there is about a transcript, as JSON: what the API answers when nothing else is asked
for, and what batches keep. Times are seconds."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from seacod.formats.base import Granularities, OutputFormat, rounded
from seacod.transcript import HotwordReport, Segment, Token, Transcript


def body(transcript: Transcript) -> dict[str, Any]:
    """The whole transcript as a JSON object."""
    return {
        "text": transcript.text,
        "segments": [segment_json(segment) for segment in transcript.segments],
        "confidence": rounded(transcript.confidence),
        "confidence_kind": transcript.confidence_kind,
        "language": transcript.language,
        "duration": round(transcript.duration_seconds, 3),
        "speech": round(transcript.speech_seconds, 3),
        "processing_time": round(transcript.processing_seconds, 3),
        "queue_time": round(transcript.queue_seconds, 3),
        "real_time_factor": rounded(transcript.real_time_factor),
        "hotwords": [asdict(report) for report in transcript.hotwords],
        "warnings": list(transcript.warnings),
        "unheard": [[round(a, 3), round(b, 3)] for a, b in transcript.unheard],
        "model": transcript.model,
        "device": transcript.device,
    }


def segment_json(segment: Segment) -> dict[str, Any]:
    """One sentence with its words as a JSON object."""
    return {
        "start": round(segment.start_seconds, 3),
        "end": round(segment.end_seconds, 3),
        "text": segment.text,
        "confidence": rounded(segment.confidence),
        "tokens": [
            {
                "text": token.text,
                "start": round(token.start_seconds, 3),
                "end": round(token.end_seconds, 3),
                "confidence": rounded(token.confidence),
            }
            for token in segment.tokens
        ],
    }


def read(body: dict[str, Any]) -> Transcript:
    """A `body` as a transcript again.

    Raises:
        KeyError, TypeError: it is none.
    """
    return Transcript(
        body["text"], read_segments(body["segments"]), body["duration"], body["processing_time"],
        body["queue_time"], body["confidence"], body["model"], body["device"],
        tuple(HotwordReport(**one) for one in body["hotwords"]), tuple(body["warnings"]),
        body["confidence_kind"], body["language"], body["speech"],
        unheard=tuple((a, b) for a, b in body["unheard"]),
    )  # fmt: skip


def read_segments(segments: list[dict[str, Any]]) -> tuple[Segment, ...]:
    """Sentences again."""
    return tuple(
        Segment(
            s["start"],
            s["end"],
            s["text"],
            s["confidence"],
            tuple(Token(t["text"], t["start"], t["end"], t["confidence"]) for t in s["tokens"]),
        )
        for s in segments
    )


def _render(transcript: Transcript, granularities: Granularities) -> dict[str, Any]:
    return body(transcript)


def _render_openai(transcript: Transcript, granularities: Granularities) -> dict[str, Any]:
    return {"text": transcript.text}


FORMAT = OutputFormat(
    "json", ".json", "application/json", "JSON with everything there is", "JSON（全部信息）", 10,
    render=_render, render_openai=_render_openai, is_json=True, is_on_page=True, is_in_zip=True,
)  # fmt: skip
