"""What a client of the Realtime API is told: each event as its documentation has it. Pure.

https://platform.openai.com/docs/api-reference/realtime-server-events
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import Any

from seacod.errors import SeacodError
from seacod.formats.log_probabilities import log_probabilities
from seacod.transcript import Segment

Event = dict[str, Any]
_TRANSCRIPTION = "conversation.item.input_audio_transcription"


def event(kind: str, **fields: Any) -> Event:
    """An event of this kind with an id of its own."""
    return {"type": kind, "event_id": f"event_{secrets.token_hex(8)}", **fields}


def new_item() -> str:
    """The id of another utterance."""
    return f"item_{secrets.token_hex(8)}"


def item(item_id: str) -> Event:
    """An utterance as an item of the conversation."""
    content = [{"type": "input_audio", "transcript": None}]
    return {
        "id": item_id, "object": "realtime.item", "type": "message", "status": "completed",
        "role": "user", "content": content,
    }  # fmt: skip


def delta(item_id: str, added: str) -> Event:
    """Text that was added to an utterance."""
    return event(f"{_TRANSCRIPTION}.delta", item_id=item_id, content_index=0, delta=added)


def completed(
    item_id: str, text: str, segments: Sequence[Segment], *, with_log_probabilities: bool
) -> Event:
    """The whole text of an utterance."""
    seconds = segments[-1].end_seconds - segments[0].start_seconds if segments else 0.0
    done = event(
        f"{_TRANSCRIPTION}.completed",
        item_id=item_id,
        content_index=0,
        transcript=text,
        usage={"type": "duration", "seconds": round(seconds, 3)},
    )
    if with_log_probabilities:
        done["logprobs"] = [one for one in log_probabilities(segments) if "logprob" in one]
    return done


def failed(item_id: str, error: SeacodError) -> Event:
    """There is no text of an utterance."""
    said = {"type": "transcription_error", "code": error.code, "message": error.message}
    return event(f"{_TRANSCRIPTION}.failed", item_id=item_id, content_index=0, error=said)


def refusal(error: SeacodError, request_id: str, client_event: str | None = None) -> Event:
    """Something could not be done.

    Args:
        error: why.
        request_id: as it is in the log.
        client_event: the id that the client gave its event.
    """
    is_ours = error.http_status >= 500
    said = {
        "type": "server_error" if is_ours else "invalid_request_error",
        "code": error.code,
        "message": error.message,
        "message_zh": error.chinese,
        "param": None,
        "event_id": client_event,
        "request_id": request_id,
    }
    return event("error", error=said)
