"""What clients of FunASR's protocol say in their JSON messages, read leniently, as its servers do.

A message may have any of the keys, and what it says holds until another one says otherwise. Pure;
called by `connection.py`. https://github.com/modelscope/FunASR, runtime/docs/websocket_protocol.md
"""

from __future__ import annotations

import enum
import json
import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from seacod.errors import BadRequest
from seacod.system.text import given_text
from seacod.system.text.given_text import read_json

MAX_MESSAGE_CHARACTERS = 256 * 1024
_MAX_NAME = 200
_LOWEST_RATE, _HIGHEST_RATE = 8_000, 192_000
# FunASR's unit of `chunk_size`, in seconds, and how often first texts may be wanted.
_CHUNK_SECONDS = 0.06
_SHORTEST_SECONDS, _LONGEST_SECONDS = 0.3, 5.0
_NO = ("", "0", "false", "no", "off", "none", "null")


class Mode(enum.Enum):
    """What becomes of the sound."""

    OFFLINE = "offline"
    ONLINE = "online"
    BOTH = "2pass"

    @property
    def of_final(self) -> str:
        """What sentences that are written down for good are called."""
        return "2pass-offline" if self is Mode.BOTH else self.value

    @property
    def of_first(self) -> str:
        """What first texts are called."""
        return "2pass-online" if self is Mode.BOTH else self.value


@dataclass(frozen=True, slots=True)
class FunasrWishes:
    """What a client has said so far.

    Args:
        mode: what becomes of the sound.
        name: what the client calls it; every answer says it again.
        format: of a recording (mode `offline`): pcm for bare samples, anything else for a file.
        rate: samples a second of bare samples.
        has_digits: numbers are to be written in digits.
        hotwords: in any form people have.
        first_text_seconds: a first text is wanted so often.
    """

    mode: Mode = Mode.BOTH
    name: str = "wav-default-id"
    format: str = "pcm"
    rate: int = 16_000
    has_digits: bool = True
    hotwords: str = ""
    first_text_seconds: float = 0.6


@dataclass(frozen=True, slots=True)
class Control:
    """One message.

    Args:
        wishes: those before it, with what it says.
        is_end: the utterance is over.
        wants_receipt: the client waits to be told that everything has been answered (`is_end`).
    """

    wishes: FunasrWishes
    is_end: bool
    wants_receipt: bool


def understood(text: str, before: FunasrWishes) -> Control:
    """What a message says.

    Args:
        text: JSON, an object.
        before: what the messages before it have said.

    Raises:
        BadRequest: it is none, or one of its values is of no use.
    """
    body = _body(text)
    said = {
        field: read(body[key]) for key, (field, read) in _KEYS.items() if body.get(key) is not None
    }
    is_speaking = body.get("is_speaking")
    return Control(
        replace(before, **said),
        is_end=(is_speaking is not None and not _is_true(is_speaking))
        or _is_true(body.get("is_finished")),
        wants_receipt=_is_true(body.get("is_end")),
    )


def _body(text: str) -> dict[str, Any]:
    if len(text) > MAX_MESSAGE_CHARACTERS:
        raise BadRequest(
            f"a JSON message has {len(text):,} characters; {MAX_MESSAGE_CHARACTERS:,} is the limit",
            f"JSON 消息长 {len(text):,} 个字符，最多 {MAX_MESSAGE_CHARACTERS:,} 个",
        )
    try:
        body = read_json(text)
    except (ValueError, RecursionError):
        body = None
    if not isinstance(body, dict):
        raise BadRequest(
            "a text message of FunASR's protocol is a JSON object, such as "
            '{"mode": "2pass", "wav_name": "a", "is_speaking": true}; sound is sent in binary '
            "messages",
            'FunASR 协议的文本消息须为 JSON 对象，例如 {"mode": "2pass", "wav_name": "a", '
            '"is_speaking": true}；音频须以二进制消息发送',
        )
    return body


def _mode(value: Any) -> Mode:
    try:
        return Mode(value)
    except ValueError:
        # As FunASR's servers do; one of its clients has a misspelt one.
        return Mode.BOTH


def _name(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return given_text.name(text[:_MAX_NAME])


def _format(value: Any) -> str:
    return _name(value).strip().lower().lstrip(".")


def _rate(value: Any) -> int:
    number = _number(value)
    if number is None or not _LOWEST_RATE <= number <= _HIGHEST_RATE:
        shown = json.dumps(value, ensure_ascii=False)[:40]
        raise BadRequest(
            f"audio_fs: {shown} is not between {_LOWEST_RATE} and {_HIGHEST_RATE}",
            f"audio_fs：{shown} 不在 {_LOWEST_RATE} 到 {_HIGHEST_RATE} 之间",
        )
    return round(number)


def _hotwords(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _first_text_seconds(value: Any) -> float:
    parts = value.split(",") if isinstance(value, str) else value
    size = _number(parts[1]) if isinstance(parts, list) and len(parts) == 3 else None
    if size is None or size <= 0:
        raise BadRequest(
            "chunk_size: three numbers are wanted, such as [5, 10, 5]; the second is how often a "
            "first text comes, in steps of 60 ms",
            "chunk_size：应为三个数，例如 [5, 10, 5]；其中第二个数 × 60 毫秒为实时结果的间隔",
        )
    return min(max(size * _CHUNK_SECONDS, _SHORTEST_SECONDS), _LONGEST_SECONDS)


def _number(value: Any) -> float | None:
    """A number, also one in quotes."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def _is_true(value: Any) -> bool:
    return value.strip().lower() not in _NO if isinstance(value, str) else bool(value)


# What a key sets, and how its value is read. Others say nothing to us: chunk_interval,
# encoder_chunk_look_back, decoder_chunk_look_back, svs_lang, svs_itn.
_KEYS: dict[str, tuple[str, Callable[[Any], Any]]] = {
    "mode": ("mode", _mode),
    "wav_name": ("name", _name),
    "wav_format": ("format", _format),
    "audio_fs": ("rate", _rate),
    "itn": ("has_digits", _is_true),
    "hotwords": ("hotwords", _hotwords),
    "chunk_size": ("first_text_seconds", _first_text_seconds),
}
