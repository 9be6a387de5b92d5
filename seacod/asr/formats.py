"""A transcript in the formats people ask for: JSON, text, subtitles, a table.

VTT as in https://www.w3.org/TR/webvtt1/, SRT as players take it; `verbose_json` has the fields of
OpenAI's transcription API, `tsv` those of whisper's command line (milliseconds).
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import asdict
from typing import Any, Literal

from seacod.asr.transcript import Segment, Transcript

Format = Literal["json", "verbose_json", "text", "srt", "vtt", "tsv"]
TEXT_FORMATS: tuple[Format, ...] = ("text", "srt", "vtt", "tsv")
FORMATS: tuple[Format, ...] = ("json", "verbose_json", *TEXT_FORMATS)
MEDIA_TYPES: dict[Format, str] = {
    "json": "application/json",
    "verbose_json": "application/json",
    "text": "text/plain; charset=utf-8",
    "srt": "application/x-subrip; charset=utf-8",
    "vtt": "text/vtt; charset=utf-8",
    "tsv": "text/tab-separated-values; charset=utf-8",
}
ENDINGS: dict[Format, str] = {
    "json": ".json", "verbose_json": ".json", "text": ".txt", "srt": ".srt", "vtt": ".vtt",
    "tsv": ".tsv",
}  # fmt: skip


def as_text(transcript: Transcript, wanted: Format) -> str:
    """Any format but the JSON ones."""
    segments = transcript.segments
    if wanted == "text":
        return transcript.text + "\n"
    if wanted == "srt":
        return "\n".join(
            f"{number}\n{_clock(s.start_seconds, ',')} --> {_clock(s.end_seconds, ',')}\n"
            f"{_line(s.text)}\n"
            for number, s in enumerate(segments, 1)
        )
    if wanted == "vtt":
        cues = (
            f"{_clock(s.start_seconds, '.')} --> {_clock(s.end_seconds, '.')}\n"
            # The two characters that would begin markup.
            f"{_line(s.text).replace('&', '&amp;').replace('<', '&lt;')}\n"
            for s in segments
        )
        return "\n".join(["WEBVTT\n", *cues])
    if wanted == "tsv":
        rows = (
            f"{round(s.start_seconds * 1000)}\t{round(s.end_seconds * 1000)}\t{_line(s.text)}"
            for s in segments
        )
        return "\n".join(["start\tend\ttext", *rows]) + "\n"
    raise ValueError(f"{wanted} is not a text format")


def as_json(transcript: Transcript) -> dict[str, Any]:
    """Everything there is; times in seconds."""
    return {
        "text": transcript.text,
        "segments": [segment_json(segment) for segment in transcript.segments],
        "confidence": _rounded(transcript.confidence),
        "confidence_kind": transcript.confidence_kind,
        "language": transcript.language,
        "duration": round(transcript.duration_seconds, 3),
        "speech": round(transcript.speech_seconds, 3),
        "processing_time": round(transcript.processing_seconds, 3),
        "queue_time": round(transcript.queue_seconds, 3),
        "real_time_factor": _rounded(transcript.real_time_factor),
        "hotwords": [asdict(report) for report in transcript.hotwords],
        "warnings": list(transcript.warnings),
        "unheard": [[round(a, 3), round(b, 3)] for a, b in transcript.unheard],
        "model": transcript.model,
        "device": transcript.device,
    }


def segment_json(segment: Segment) -> dict[str, Any]:
    """One sentence with its words."""
    return {
        "start": round(segment.start_seconds, 3),
        "end": round(segment.end_seconds, 3),
        "text": segment.text,
        "confidence": _rounded(segment.confidence),
        "tokens": [
            {
                "text": token.text,
                "start": round(token.start_seconds, 3),
                "end": round(token.end_seconds, 3),
                "confidence": _rounded(token.confidence),
            }
            for token in segment.tokens
        ],
    }


def as_verbose_json(
    transcript: Transcript, granularities: Collection[str] = ("segment",)
) -> dict[str, Any]:
    """OpenAI's shape. What our model has no value for (avg_logprob and the like) is left out, not
    made up."""
    body: dict[str, Any] = {
        "task": "transcribe",
        "language": "chinese",
        "duration": round(transcript.duration_seconds, 3),
        "text": transcript.text,
    }
    if "segment" in granularities:
        body["segments"] = [
            {
                "id": number,
                "start": round(segment.start_seconds, 3),
                "end": round(segment.end_seconds, 3),
                "text": segment.text,
                "confidence": _rounded(segment.confidence),
            }
            for number, segment in enumerate(transcript.segments)
        ]
    if "word" in granularities:
        body["words"] = [
            {
                "word": token.text,
                "start": round(token.start_seconds, 3),
                "end": round(token.end_seconds, 3),
            }
            for segment in transcript.segments
            for token in segment.tokens
        ]
    return body


def _clock(seconds: float, separator: str) -> str:
    """Hours:minutes:seconds and milliseconds."""
    milliseconds = round(seconds * 1000)
    hours, rest = divmod(milliseconds, 3_600_000)
    minutes, rest = divmod(rest, 60_000)
    return f"{hours:02}:{minutes:02}:{rest // 1000:02}{separator}{rest % 1000:03}"


def _line(text: str) -> str:
    """No line break or tab inside: they would end a cue or a cell."""
    return " ".join(text.split())


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)
