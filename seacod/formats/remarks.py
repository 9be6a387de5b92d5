"""What a reader ought to know about a transcript, as lines in both languages: every format that can
hold remarks writes these. Arithmetic on texts only."""

from __future__ import annotations

from typing import Any

from seacod.formats.base import one_line
from seacod.transcript import Transcript, TranscriptWarning


def remarks(transcript: Transcript) -> list[str]:
    """Its warnings, each in Chinese and in English, a line each; none twice."""
    lines = (
        f"{word}{one_line(sentence)}"
        for warning in transcript.warnings
        for word, sentence in (("注意：", warning.chinese), ("Note: ", warning.message))
    )
    return list(dict.fromkeys(lines))


def warnings_json(transcript: Transcript) -> dict[str, Any]:
    """The two fields that a JSON object has for them: sentences, and everything about each."""
    return {
        "warnings": [warning.message for warning in transcript.warnings],
        "warning_details": [warning_json(warning) for warning in transcript.warnings],
    }


def warning_json(warning: TranscriptWarning) -> dict[str, Any]:
    """One warning as a JSON object; `start` and `end` are null where it is about everything."""
    return {
        "code": warning.code,
        "message": warning.message,
        "message_zh": warning.chinese,
        "start": warning.start_seconds,
        "end": warning.end_seconds,
    }
