"""What a client wants of its session, in either shape of the API: `session.update` as it is now,
`transcription_session.update` as it was. Pure.

What has no meaning here (thresholds, noise reduction) is not refused; the session that is shown
says what holds.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from seacod.asr.decoder.cutting import BEGINS, PAD_SECONDS, SILENCE_ENDS_SECONDS
from seacod.errors import BadRequest
from seacod.web.realtime import g711

PCM = "audio/pcm"
_DEFAULT_RATE = 24_000
_LOGPROBS = "item.input_audio_transcription.logprobs"
# The names of before.
_OLD_FORMATS = {"pcm16": PCM, "g711_ulaw": "audio/pcmu", "g711_alaw": "audio/pcma"}
_LONGEST_PROMPT = 64 * 1024


@dataclass(frozen=True, slots=True)
class RealtimeWishes:
    """
    Args:
        kind: of the sound that comes, as the API names it.
        rate: samples a second of it.
        prompt: hotwords.
        model: as the client calls it.
        language: as the client calls it.
        is_manual: the client says where an utterance ends (no turn detection).
        wants_log_probabilities: of the tokens.
    """

    kind: str = PCM
    rate: int = _DEFAULT_RATE
    prompt: str = ""
    model: str = ""
    language: str = ""
    is_manual: bool = False
    wants_log_probabilities: bool = False

    def shown(self) -> dict[str, Any]:
        """The session as it is now shown to clients."""
        sound = {"type": self.kind}
        return {
            "type": "transcription",
            "object": "realtime.transcription_session",
            "audio": {
                "input": {
                    "format": {**sound, "rate": self.rate} if self.kind == PCM else sound,
                    "transcription": self._transcription(),
                    "noise_reduction": None,
                    "turn_detection": self._turn_detection(),
                }
            },
            "include": self._include(),
        }

    def shown_as_before(self) -> dict[str, Any]:
        """The session in the shape of before."""
        old = {new: name for name, new in _OLD_FORMATS.items()}
        return {
            "object": "realtime.transcription_session",
            "input_audio_format": old[self.kind],
            "input_audio_transcription": self._transcription(),
            "turn_detection": self._turn_detection(),
            "include": self._include(),
        }

    def _transcription(self) -> dict[str, str]:
        return {"model": self.model, "prompt": self.prompt, "language": self.language}

    def _turn_detection(self) -> dict[str, Any] | None:
        if self.is_manual:
            return None
        return {
            "type": "server_vad",
            "threshold": BEGINS,
            "prefix_padding_ms": round(PAD_SECONDS * 1000),
            "silence_duration_ms": round(SILENCE_ENDS_SECONDS * 1000),
        }

    def _include(self) -> list[str]:
        return [_LOGPROBS] if self.wants_log_probabilities else []


def updated(wishes: RealtimeWishes, session: object) -> RealtimeWishes:
    """The wishes after an update.

    Args:
        wishes: those before.
        session: the field of that name of the event, in either shape.

    Raises:
        BadRequest: it means nothing, or what this service does not have.
    """
    given = _object("session", session)
    if given.get("type", "transcription") != "transcription":
        raise BadRequest(
            "session.type: this service has transcription sessions only; send "
            '{"type": "transcription"}',
            "session.type：本服务仅支持转写会话（transcription）",
        )
    wishes = _of_sound(wishes, given)
    if "include" in given:
        include = given["include"] or []
        if not isinstance(include, list) or not set(map(str, include)) <= {_LOGPROBS}:
            raise BadRequest(
                f"session.include: use {_LOGPROBS}", f"session.include：可用 {_LOGPROBS}"
            )
        wishes = replace(wishes, wants_log_probabilities=bool(include))
    return wishes


def _of_sound(wishes: RealtimeWishes, given: dict[str, Any]) -> RealtimeWishes:
    """What is said about sound, now or as before."""
    audio = _object("session.audio", given.get("audio"))
    now = _object("session.audio.input", audio.get("input"))
    for name in ("format", "transcription", "turn_detection"):
        old = name if name == "turn_detection" else f"input_audio_{name}"
        if name in now or old in given:
            value = now[name] if name in now else given[old]
            where = f"session.audio.input.{name}" if name in now else f"session.{old}"
            wishes = _READERS[name](wishes, where, value)
    return wishes


def _format(wishes: RealtimeWishes, where: str, value: object) -> RealtimeWishes:
    if isinstance(value, str):
        value = {"type": _OLD_FORMATS.get(value, value)}
    given = _object(where, value)
    kind = given.get("type", PCM)
    if kind not in _OLD_FORMATS.values():
        raise BadRequest(
            f"{where}: use audio/pcm, audio/pcmu or audio/pcma (before: {', '.join(_OLD_FORMATS)})",
            f"{where}：可用 audio/pcm、audio/pcmu、audio/pcma",
        )
    rate = given.get("rate") or _DEFAULT_RATE if kind == PCM else g711.RATE
    if not isinstance(rate, int) or not 8_000 <= rate <= 192_000:
        raise BadRequest(
            f"{where}.rate: use a whole number from 8000 to 192000",
            f"{where}.rate：请填写 8000 到 192000 的整数",
        )
    return replace(wishes, kind=kind, rate=rate)


def _transcription(wishes: RealtimeWishes, where: str, value: object) -> RealtimeWishes:
    given = _object(where, value)
    texts = {name: given[name] for name in ("model", "prompt", "language") if given.get(name)}
    for name, text in texts.items():
        if not isinstance(text, str) or len(text) > _LONGEST_PROMPT:
            raise BadRequest(
                f"{where}.{name}: use a text of at most {_LONGEST_PROMPT} characters",
                f"{where}.{name}：请使用不超过 {_LONGEST_PROMPT} 个字符的文本",
            )
    return replace(wishes, **texts)


def _turn_detection(wishes: RealtimeWishes, where: str, value: object) -> RealtimeWishes:
    given = _object(where, value)
    return replace(wishes, is_manual=value is None or given.get("type") == "none")


_READERS = {
    "format": _format, "transcription": _transcription, "turn_detection": _turn_detection,
}  # fmt: skip


def _object(where: str, value: object) -> dict[str, Any]:
    """A JSON object; an empty one for nothing.

    Raises:
        BadRequest: it is something else.
    """
    if value is None:
        return {}
    if isinstance(value, dict):
        return value
    raise BadRequest(f"{where}: use a JSON object", f"{where}：应为 JSON 对象")
