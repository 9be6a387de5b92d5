"""Everything there is about a transcript, as JSON: what the API answers when nothing else is asked
for, and what batches keep. Times are seconds."""

from __future__ import annotations

import base64
from dataclasses import asdict
from typing import Any

from seacod.formats.base import Choices, OutputFormat, rounded
from seacod.formats.log_probabilities import log_probabilities
from seacod.formats.remarks import warnings_json
from seacod.transcript import (
    HotwordReport,
    ReplacementReport,
    Segment,
    Token,
    Transcript,
    TranscriptWarning,
)

# Values a second in `peaks`.
_PEAKS_PER_SECOND = 10


def body(transcript: Transcript, *, has_peaks: bool = False) -> dict[str, Any]:
    """The whole transcript as a JSON object.

    Args:
        transcript: what is written.
        has_peaks: whether it holds what a wave is drawn from, too.
    """
    values = base64.b64encode(transcript.peaks).decode() if has_peaks else ""
    return {
        "text": transcript.text,
        "segments": [segment_json(segment) for segment in transcript.segments],
        "speakers": [
            {"name": name, "seconds": round(seconds, 3)}
            for name, seconds in transcript.speakers.items()
        ],
        "confidence": rounded(transcript.confidence),
        "confidence_kind": transcript.confidence_kind,
        "language": transcript.language,
        "duration": round(transcript.duration_seconds, 3),
        "speech": round(transcript.speech_seconds, 3),
        "processing_time": round(transcript.processing_seconds, 3),
        "queue_time": round(transcript.queue_seconds, 3),
        "real_time_factor": rounded(transcript.real_time_factor),
        "hotwords": [asdict(report) for report in transcript.hotwords],
        "replacements": [asdict(report) for report in transcript.replacements],
        **warnings_json(transcript),
        "unheard": [[round(a, 3), round(b, 3)] for a, b in transcript.unheard],
        "missing": round(transcript.missing_seconds, 3),
        "model": transcript.model,
        "device": transcript.device,
        **({"peaks": {"per_second": _PEAKS_PER_SECOND, "values": values}} if has_peaks else {}),
    }


def segment_json(segment: Segment) -> dict[str, Any]:
    """One sentence with its words as a JSON object."""
    return {
        "start": round(segment.start_seconds, 3),
        "end": round(segment.end_seconds, 3),
        "text": segment.text,
        "confidence": rounded(segment.confidence),
        "speaker": segment.speaker,
        "tokens": [_token_json(token) for token in segment.tokens],
    }


def _token_json(token: Token) -> dict[str, Any]:
    whose = {} if token.speaker is None else {"speaker": token.speaker}
    return {
        "text": token.text,
        "start": round(token.start_seconds, 3),
        "end": round(token.end_seconds, 3),
        "confidence": rounded(token.confidence),
        **whose,
    }


def read(body: dict[str, Any]) -> Transcript:
    """A `body` as a transcript again.

    Raises:
        KeyError, TypeError: it is none.
    """
    return Transcript(
        body["text"], read_segments(body["segments"]), body["duration"], body["processing_time"],
        body["queue_time"], body["confidence"], body["model"], body["device"],
        tuple(HotwordReport(**one) for one in body["hotwords"]), read_warnings(body),
        body["confidence_kind"], body["language"], body["speech"],
        unheard=tuple((a, b) for a, b in body["unheard"]),
        missing_seconds=body.get("missing", 0.0),
        replacements=tuple(ReplacementReport(**one) for one in body.get("replacements", ())),
    )  # fmt: skip


def read_warnings(body: dict[str, Any]) -> tuple[TranscriptWarning, ...]:
    """Warnings again; results of 0.1.0 have only the sentences."""
    if "warning_details" not in body:
        return tuple(TranscriptWarning("other", one, one) for one in body["warnings"])
    return tuple(
        TranscriptWarning(w["code"], w["message"], w["message_zh"], w["start"], w["end"])
        for w in body["warning_details"]
    )


def read_segments(segments: list[dict[str, Any]]) -> tuple[Segment, ...]:
    """Sentences again."""
    return tuple(
        Segment(
            s["start"],
            s["end"],
            s["text"],
            s["confidence"],
            tuple(
                Token(t["text"], t["start"], t["end"], t["confidence"], t.get("speaker"))
                for t in s["tokens"]
            ),
            s.get("speaker"),
        )
        for s in segments
    )


def _render(transcript: Transcript, choices: Choices) -> dict[str, Any]:
    return body(transcript, has_peaks=choices.wants_peaks)


def _render_openai(transcript: Transcript, choices: Choices) -> dict[str, Any]:
    body: dict[str, Any] = {"text": transcript.text}
    if choices.wants_log_probabilities:
        body["logprobs"] = log_probabilities(transcript.segments)
    body |= warnings_json(transcript) if transcript.warnings else {}
    return body


FORMAT = OutputFormat(
    "json", ".json", "application/json", "JSON with everything there is", "JSON（全部信息）", 10,
    render=_render, render_openai=_render_openai, is_json=True, is_on_page=True, is_in_zip=True,
    reads=("include",),
)  # fmt: skip
