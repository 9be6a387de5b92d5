"""What clients of the Realtime API want, in both of its shapes; telephone sound as samples."""

from __future__ import annotations

from typing import Any

import av
import numpy as np
import pytest
from openai.types.realtime import RealtimeTranscriptionSessionCreateResponse

from seacod.errors import BadRequest
from seacod.transcript import Segment, Token
from seacod.web.realtime import events, g711
from seacod.web.realtime.wishes import RealtimeWishes, updated


def now(**sound: Any) -> dict[str, Any]:
    return {"type": "transcription", "audio": {"input": sound}}


def test_both_shapes_say_the_same() -> None:
    of_now = updated(
        RealtimeWishes(),
        now(
            format={"type": "audio/pcmu"},
            transcription={"model": "whisper-1", "prompt": "欣悦", "language": "zh"},
            turn_detection=None,
        ),
    )
    of_before = updated(
        RealtimeWishes(),
        {
            "input_audio_format": "g711_ulaw",
            "input_audio_transcription": {"model": "whisper-1", "prompt": "欣悦", "language": "zh"},
            "turn_detection": None,
        },
    )
    assert of_now == of_before
    assert (of_now.kind, of_now.rate, of_now.is_manual) == ("audio/pcmu", 8000, True)


def test_what_is_not_said_stays() -> None:
    wishes = updated(RealtimeWishes(), now(turn_detection=None, transcription={"prompt": "欣悦"}))
    again = updated(wishes, now(format={"type": "audio/pcm", "rate": 16000}))
    assert (again.is_manual, again.prompt, again.rate) == (True, "欣悦", 16000)
    assert not updated(again, now(turn_detection={"type": "semantic_vad"})).is_manual
    assert updated(again, {}) == again
    assert updated(again, None) == again


@pytest.mark.parametrize("is_manual", [True, False])
@pytest.mark.parametrize("kind", ["audio/pcm", "audio/pcma"])
def test_the_session_is_shown_as_their_types_have_it(is_manual: bool, kind: str) -> None:
    shown = RealtimeWishes(kind, is_manual=is_manual, wants_log_probabilities=True).shown()
    RealtimeTranscriptionSessionCreateResponse.model_validate({"id": "sess_1", **shown})
    assert updated(RealtimeWishes(), shown).is_manual == is_manual


@pytest.mark.parametrize(
    ("session", "part"),
    [
        ({"type": "realtime"}, "session.type"),
        ([], "session: use a JSON object"),
        ({"audio": 1}, "session.audio: use"),
        (now(format={"type": "mp3"}), "use audio/pcm, audio/pcmu"),
        (now(format={"type": "audio/pcm", "rate": 100}), "rate"),
        (now(format={"type": "audio/pcm", "rate": "x"}), "rate"),
        (now(transcription={"prompt": ["a"]}), "transcription.prompt"),
        (now(transcription={"prompt": "x" * 70_000}), "transcription.prompt"),
        ({"input_audio_format": "opus"}, "session.input_audio_format"),
        ({"include": ["everything"]}, "session.include"),
        ({"include": "x"}, "session.include"),
    ],
)
def test_what_means_nothing_is_told_where_it_stands(session: Any, part: str) -> None:
    with pytest.raises(BadRequest, match=part):
        updated(RealtimeWishes(), session)


@pytest.mark.parametrize(
    ("kind", "codec"), [("audio/pcmu", "pcm_mulaw"), ("audio/pcma", "pcm_alaw")]
)
def test_telephone_sound_is_as_ffmpeg_reads_it(kind: str, codec: str) -> None:
    every = bytes(range(256))
    decoder = av.CodecContext.create(codec, "r")
    decoder.sample_rate = g711.RATE
    decoder.layout = "mono"
    frames = [*decoder.decode(av.Packet(every)), *decoder.decode(None)]
    theirs = np.concatenate([frame.to_ndarray().reshape(-1) for frame in frames])
    assert np.frombuffer(g711.samples(kind, every), "<i2").tolist() == theirs.tolist()


def test_log_probabilities_have_a_number_each() -> None:
    said = Segment(0, 2, "你好", 0.5, (Token("你", 0, 1, 0.5), Token("好", 1, 2)))
    done = events.completed("item_1", "你好", [said], with_log_probabilities=True)
    assert [one["token"] for one in done["logprobs"]] == ["你"]
    assert done["usage"] == {"type": "duration", "seconds": 2}
