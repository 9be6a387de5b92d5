"""Forms and answers described for /openapi.json; requests themselves are read by hand, as they
stream (`uploads.py`)."""

from __future__ import annotations

from typing import Any

from seacod.asr.sound.channels import CHANNEL_MODES

_TEXT = {"type": "string"}


def form(required: tuple[str, ...], **fields: dict[str, Any]) -> dict[str, Any]:
    """`openapi_extra` of a route that takes a multipart form."""
    schema = {"type": "object", "required": list(required), "properties": fields}
    return {
        "requestBody": {"required": True, "content": {"multipart/form-data": {"schema": schema}}}
    }


def names(form: dict[str, Any]) -> frozenset[str]:
    """The fields of a form that `form` has made."""
    schema = form["requestBody"]["content"]["multipart/form-data"]["schema"]
    return frozenset(schema["properties"])


def file(description: str) -> dict[str, Any]:
    return {"type": "string", "format": "binary", "description": description}


def files(description: str) -> dict[str, Any]:
    return {"type": "array", "items": file(description), "description": description}


def url() -> dict[str, Any]:
    """The field that `Sources` reads."""
    return text("In place of a file: where the recording is, at a host of outgoing.input_hosts")


def text(description: str, *allowed: str) -> dict[str, Any]:
    return {**_TEXT, "description": description, **({"enum": list(allowed)} if allowed else {})}


_ERROR = {
    "type": "object",
    "properties": {
        "error": {
            "type": "object",
            "properties": {
                "code": _TEXT,
                "type": _TEXT,
                "message": _TEXT,
                "message_zh": _TEXT,
                "request_id": _TEXT,
                "retry_after_seconds": {"type": "integer"},
            },
        }
    },
}


def _refusal(description: str) -> dict[str, Any]:
    return {"description": description, "content": {"application/json": {"schema": _ERROR}}}


REFUSALS: dict[int | str, dict[str, Any]] = {
    400: _refusal("Something in the request cannot be used; the message says what"),
    403: _refusal("The service may not connect to a host that was named (url, callback_url)"),
    401: _refusal("A key or login is asked for (only where the operator configured that)"),
    413: _refusal("Too big or too long; the message names the limit"),
    415: _refusal("Not audio that can be decoded"),
    422: _refusal("The recording ended the worker twice; an Idempotency-Key came with others"),
    501: _refusal("Speakers were asked for, and this service has no model that tells them apart"),
    502: _refusal("The address that was named does not deliver the recording"),
    503: _refusal(
        "The queue is full, or the model is not ready; Retry-After says when to come back"
    ),
    504: _refusal("Not finished within the deadline"),
    507: _refusal("No room: on the disk, or for this recording in the memory of the GPU"),
}


def choices() -> dict[str, dict[str, Any]]:
    """The fields about formats that leave a choice."""
    return {
        "max_line_characters": text(
            "Characters in a line of a subtitle, of two; default: 20 Chinese or 42 Latin ones"
        ),
        "max_cue_seconds": text("Seconds that a subtitle is shown; default: 7"),
        "show_warnings": text(
            "true: text and documents begin with the warnings; default: documents alone"
        ),
    }


def peaks() -> dict[str, Any]:
    """The field for who draws a wave."""
    return text("true: JSON has how loud each tenth of a second is, 0 to 255, as base64")


def sound_choice() -> dict[str, dict[str, Any]]:
    """The fields that `SoundChoice` reads."""
    return {
        "track": text("Which audio track, from 1, or all; default: the one a player would take"),
        "channels": text(
            "What to do with several channels; auto: split where they hold different voices",
            *CHANNEL_MODES,
        ),
        "speakers": text(
            "Who speaks: true (their number is estimated), a number, or a range such as 2-4; left "
            "out, speakers are not told apart"
        ),
    }
