"""The one shape of errors over HTTP, also of those that no application of ours hears of."""

from __future__ import annotations

from typing import Any

from seacod.system.text.words import Words

RETRY_SECONDS = 5


def error_body(
    status: int, code: str, words: Words, request_id: str, retry_after_seconds: int | None = None
) -> dict[str, Any]:
    """What stands under "error".

    Args:
        status: of the answer; 429 and 503 say when to come back.
        code: what programs tell it by.
        words: what people read.
        request_id: by which the log has it.
        retry_after_seconds: RETRY_SECONDS by default.
    """
    body: dict[str, Any] = {
        "code": code,
        # What OpenAI's clients look for.
        "type": "server_error" if status >= 500 else "invalid_request_error",
        "message": words[0],
        "message_zh": words[1],
        "request_id": request_id,
    }
    if status in (429, 503):
        body["retry_after_seconds"] = retry_after_seconds or RETRY_SECONDS
    return body
