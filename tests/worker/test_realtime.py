"""OpenAI's Realtime API by their own Python client: transcription sessions on the live sessions."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import numpy as np
import openai
import pytest
import sounds
from patience import connect
from supervised import PATIENCE_SECONDS, Service
from websockets.exceptions import ConnectionClosed

from seacod.asr import audio
from seacod.web.realtime import g711

RATE = 24_000
DONE = "conversation.item.input_audio_transcription.completed"
DELTA = "conversation.item.input_audio_transcription.delta"
WITH_HOTWORDS = next(e for e in sounds.EXAMPLES if e["hotwords"])


def at_rate(path: Any, rate: int = RATE) -> bytes:
    """A recording as 16-bit samples at another rate."""
    samples = audio.decode(path, max_seconds=60)
    times = np.arange(int(len(samples) * rate / 16_000)) * (16_000 / rate)
    slower = np.interp(times, np.arange(len(samples)), samples)
    return (np.clip(slower, -1, 1) * 32767).astype("<i2").tobytes()


PAUSE = bytes(2 * RATE)


@pytest.fixture(scope="module")
def client(live: Service) -> openai.OpenAI:
    return openai.OpenAI(
        base_url=f"{live.url}/v1",
        websocket_base_url=f"{live.url}/v1".replace("http", "ws"),
        api_key="not-needed",
        max_retries=0,
        http_client=httpx.Client(trust_env=False),
    )


@pytest.fixture
def session(client: openai.OpenAI) -> Iterator[Any]:
    with client.realtime.connect(
        extra_query={"intent": "transcription"},
        websocket_connection_options={
            "proxy": None, "open_timeout": PATIENCE_SECONDS, "ping_timeout": PATIENCE_SECONDS
        },
    ) as connection:  # fmt: skip
        assert connection.recv().type == "session.created"
        yield connection


def update(connection: Any, **sound: Any) -> Any:
    connection.session.update(session={"type": "transcription", "audio": {"input": sound}})
    updated = connection.recv()
    assert updated.type == "session.updated", updated
    return updated.session


def say(connection: Any, sound: bytes, block: int = 4800) -> None:
    for at in range(0, len(sound), block):
        connection.input_audio_buffer.append(
            audio=base64.b64encode(sound[at : at + block]).decode()
        )


def until(connection: Any, is_last: Callable[[Any], bool]) -> list[Any]:
    """What is told, up to the event that is waited for."""
    events = []
    while not events or not is_last(events[-1]):
        events.append(connection.recv())
        assert events[-1].type != "error", events[-1]
    return events


def test_what_is_said_comes_back_utterance_by_utterance(session: Any) -> None:
    shown = update(session, transcription={"model": "gpt-4o-transcribe", "language": "zh"})
    assert shown.type == "transcription"
    assert shown.audio.input.transcription.model == "gpt-4o-transcribe"
    assert shown.audio.input.turn_detection.type == "server_vad"
    sound = at_rate(sounds.SPEECH)
    items: list[str] = []
    for _ in range(2):
        say(session, sound + PAUSE)
        told = until(session, lambda event: event.type == DONE)
        kinds = [event.type for event in told if event.type != DELTA]
        assert kinds == [
            "input_audio_buffer.speech_started",
            "input_audio_buffer.speech_stopped",
            "input_audio_buffer.committed",
            "conversation.item.added",
            "conversation.item.done",
            DONE,
        ]
        done = told[-1]
        assert done.transcript == sounds.SPEECH_TEXT
        assert "".join(event.delta for event in told if event.type == DELTA) == done.transcript
        assert {e.item_id for e in told if hasattr(e, "item_id")} == {done.item_id}
        started, stopped = told[0], next(e for e in told if e.type.endswith("speech_stopped"))
        assert 0 <= started.audio_start_ms < stopped.audio_end_ms
        committed = next(e for e in told if e.type == "input_audio_buffer.committed")
        assert committed.previous_item_id == (items[-1] if items else None)
        assert 2 < done.usage.seconds < 4
        items.append(done.item_id)
    assert started.audio_start_ms > 3000


def test_a_client_may_say_itself_where_an_utterance_ends(session: Any) -> None:
    update(session, turn_detection=None)
    sound = at_rate(sounds.SPEECH)
    for _ in range(2):
        say(session, sound)
        session.input_audio_buffer.commit()
        told = until(session, lambda event: event.type == DONE)
        assert told[0].type == "input_audio_buffer.committed"
        assert told[-1].transcript == sounds.SPEECH_TEXT
    # What was cleared is gone, and then there is nothing to commit.
    say(session, sound)
    session.input_audio_buffer.clear()
    assert session.recv().type == "input_audio_buffer.cleared"
    session.input_audio_buffer.commit()
    refused = session.recv()
    assert refused.type == "error"
    assert "no sound in the buffer" in refused.error.message
    # The connection goes on, and silence is an utterance, too, where the client says so.
    say(session, bytes(RATE))
    session.input_audio_buffer.commit()
    assert until(session, lambda event: event.type == DONE)[-1].transcript == ""


def test_a_commit_ends_what_the_pauses_have_not(session: Any) -> None:
    say(session, at_rate(sounds.SPEECH))
    session.input_audio_buffer.commit()
    assert until(session, lambda event: event.type == DONE)[-1].transcript == sounds.SPEECH_TEXT


def test_the_prompt_is_read_as_hotwords(session: Any) -> None:
    update(session, transcription={"prompt": WITH_HOTWORDS["hotwords"]}, turn_detection=None)
    say(session, at_rate(sounds.EXAMPLES_DIRECTORY / WITH_HOTWORDS["file"]))
    session.input_audio_buffer.commit()
    told = until(session, lambda event: event.type == DONE)
    assert told[-1].transcript == WITH_HOTWORDS["text_with_hotwords"]


def test_log_probabilities_come_with_it(session: Any) -> None:
    session.session.update(
        session={"type": "transcription", "include": ["item.input_audio_transcription.logprobs"]}
    )
    assert session.recv().type == "session.updated"
    say(session, at_rate(sounds.SPEECH) + PAUSE)
    done = until(session, lambda event: event.type == DONE)[-1]
    assert done.logprobs
    assert all(one.logprob <= 0 for one in done.logprobs)


@pytest.mark.parametrize("kind", ["audio/pcmu", "audio/pcma"])
def test_sound_of_telephones_is_heard(session: Any, kind: str) -> None:
    update(session, format={"type": kind}, turn_detection=None)
    values = np.frombuffer(at_rate(sounds.SPEECH, 8000), "<i2").astype(np.int32)
    table = np.frombuffer(g711.samples(kind, bytes(range(256))), "<i2").astype(np.int32)
    order = np.argsort(table)
    nearest = order[np.clip(np.searchsorted(table[order], values), 0, 255)]
    say(session, nearest.astype(np.uint8).tobytes())
    session.input_audio_buffer.commit()
    assert until(session, lambda event: event.type == DONE)[-1].transcript


@pytest.mark.parametrize(
    ("event", "part"),
    [
        ({"type": "response.create"}, "'response.create'"),
        ({"type": "input_audio_buffer.append", "audio": "%%%"}, "Base64"),
        ({"type": "session.update", "session": {"type": "realtime"}}, "transcription sessions"),
        ({"type": "session.update", "session": {"audio": {"input": {"format": {"type": "mp3"}}}}},
         "audio/pcm"),
        ({"type": "session.update",
          "session": {"audio": {"input": {"transcription": {"model": "gpt-9"}}}}}, "no model"),
        ({"type": "session.update", "session": []}, "JSON object"),
        ({"type": "session.update", "session": {"include": ["x"]}}, "session.include"),
    ],
)  # fmt: skip
def test_what_cannot_be_done_is_told_and_the_connection_goes_on(
    session: Any, event: dict[str, Any], part: str
) -> None:
    session.send({**event, "event_id": "mine"})
    refused = session.recv()
    assert refused.type == "error"
    assert part in refused.error.message
    assert refused.error.type == "invalid_request_error"
    assert refused.error.event_id == "mine"
    say(session, at_rate(sounds.SPEECH) + PAUSE)
    assert until(session, lambda e: e.type == DONE)[-1].transcript == sounds.SPEECH_TEXT


def test_clients_of_before_are_spoken_to_as_before(live: Service) -> None:
    url = live.url.replace("http", "ws") + "/v1/realtime?intent=transcription"
    with connect(url, additional_headers={"OpenAI-Beta": "realtime=v1"}) as socket:

        def told() -> dict[str, Any]:
            event: dict[str, Any] = json.loads(socket.recv(PATIENCE_SECONDS))
            return event

        assert told()["type"] == "transcription_session.created"
        session = {
            "input_audio_format": "pcm16",
            "turn_detection": None,
            "input_audio_transcription": {"model": "whisper-1", "language": "en"},
        }
        socket.send(json.dumps({"type": "transcription_session.update", "session": session}))
        updated = told()
        assert updated["type"] == "transcription_session.updated"
        assert updated["session"]["input_audio_transcription"]["model"] == "whisper-1"
        assert "recognises Chinese" in updated["warnings"][0]
        sound = base64.b64encode(at_rate(sounds.SPEECH)).decode()
        socket.send(json.dumps({"type": "input_audio_buffer.append", "audio": sound}))
        socket.send(json.dumps({"type": "input_audio_buffer.commit"}))
        events = [told()]
        while events[-1]["type"] != DONE:
            events.append(told())
        kinds = [event["type"] for event in events]
        assert kinds[:2] == ["input_audio_buffer.committed", "conversation.item.created"]
        assert events[-1]["transcript"] == sounds.SPEECH_TEXT


def test_an_unknown_model_is_told_and_ends_it(live: Service) -> None:
    url = live.url.replace("http", "ws") + "/v1/realtime?model=gpt-9"
    with connect(url) as socket:
        assert "no model 'gpt-9'" in str(socket.recv(PATIENCE_SECONDS))
        with pytest.raises(ConnectionClosed):
            socket.recv(PATIENCE_SECONDS)
    assert socket.close_code == 1008


def test_it_is_counted_as_a_route_of_its_own(live: Service, client: openai.OpenAI) -> None:
    assert 'asr_requests_success_total{route="/v1/realtime"}' in live.metrics()
