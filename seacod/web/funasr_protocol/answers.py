"""What clients of FunASR's protocol are told. Each answer has `mode`, `wav_name`, `text` and
`is_final`, which some of its clients insist on. Pure; called by `connection.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from seacod.errors import SeacodError
from seacod.formats.base import joined
from seacod.transcript import Segment, Transcript
from seacod.web.funasr_protocol import stamps
from seacod.web.funasr_protocol.messages import FunasrWishes
from seacod.web.middleware import errors

Answer = dict[str, Any]


def first(wishes: FunasrWishes, text: str, *, is_final: bool = False) -> Answer:
    """More of what is being said."""
    return _answer(wishes.mode.of_first, wishes, text, is_final=is_final)


def final(wishes: FunasrWishes, segments: Sequence[Segment], *, is_final: bool = False) -> Answer:
    """Sentences that are written down for good."""
    answer = _answer(wishes.mode.of_final, wishes, joined(segments), is_final=is_final)
    if spans := stamps.timestamp(segments):
        answer["timestamp"] = spans
        answer["stamp_sents"] = stamps.stamp_sents(segments)
    return answer


def whole(wishes: FunasrWishes, transcript: Transcript) -> Answer:
    """A recording."""
    return warned(final(wishes, transcript.segments, is_final=True), transcript)


def warned(answer: Answer, transcript: Transcript) -> Answer:
    """The last answer of an utterance, with what a reader of its text ought to know."""
    answer["is_final"] = True
    if transcript.warnings:
        answer["warnings"] = [warning.message for warning in transcript.warnings]
    return answer


def failed(wishes: FunasrWishes, error: SeacodError, request_id: str) -> Answer:
    """Why there is no text. `is_final`, since clients wait for that."""
    answer = _answer(wishes.mode.of_final, wishes, "", is_final=True)
    details = errors.said(error, request_id)["error"]
    return {**answer, "error": error.message, "error_details": details}


def receipt(wishes: FunasrWishes, error: SeacodError | None = None) -> Answer:
    """Everything of the utterance has been answered, for who has asked to be told."""
    answer = _answer(wishes.mode.value, wishes, "", is_final=error is None)
    said = {"error": error.message} if error is not None else {}
    return {**answer, "is_end": True, **said}


def _answer(mode: str, wishes: FunasrWishes, text: str, *, is_final: bool) -> Answer:
    return {"mode": mode, "wav_name": wishes.name, "text": text, "is_final": is_final}
