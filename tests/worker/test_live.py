"""A microphone over a WebSocket, with a client of our own that speaks as it likes."""

from __future__ import annotations

import contextlib
import json
import signal
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import sounds
from patience import connect
from supervised import MAX_AUDIO_SECONDS, PATIENCE_SECONDS, Faulty, Service, wait_until
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection

from seacod.asr import audio

PAUSE = np.zeros(16_000, dtype=np.float32)


@pytest.fixture(scope="module")
def speech() -> np.ndarray:
    return audio.decode(sounds.SPEECH, max_seconds=60)


def pcm(samples: np.ndarray) -> bytes:
    return (samples * 32767).astype("<i2").tobytes()


class Microphone:
    """One connection; everything it hears is kept."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self.heard: list[dict[str, Any]] = []

    def start(self, **more: Any) -> dict[str, Any]:
        self.socket.send(json.dumps({"type": "start", **more}))
        return self.wait_for("ready", "error")

    def say(self, samples: np.ndarray, block: int = 1600) -> None:
        sound = pcm(samples)
        for at in range(0, len(sound), 2 * block):
            self.socket.send(sound[at : at + 2 * block])

    def stop(self) -> dict[str, Any]:
        self.socket.send(json.dumps({"type": "stop"}))
        return self.wait_for("done", "error")

    def wait_for(self, *kinds: str) -> dict[str, Any]:
        while True:
            message: dict[str, Any] = json.loads(self.socket.recv(timeout=PATIENCE_SECONDS))
            self.heard.append(message)
            if message["type"] in kinds:
                return message

    def segments(self) -> list[dict[str, Any]]:
        return [s for message in self.heard if message["type"] == "final"
                for s in message["segments"]]  # fmt: skip


@contextlib.contextmanager
def microphone(service: Service, **options: Any) -> Iterator[Microphone]:
    url = service.url.replace("http", "ws") + "/live"
    with connect(url, **options) as socket:
        yield Microphone(socket)


def test_sentences_come_one_by_one_and_all_of_it_at_the_end(live: Service, speech) -> None:
    with microphone(live) as mic:
        assert mic.start(also="text,srt")["type"] == "ready"
        mic.say(np.concatenate([speech, PAUSE]))
        first = mic.wait_for("final")
        assert first["segments"][0]["text"] == sounds.SPEECH_TEXT
        assert 2.0 < first["settled_seconds"] < 3.8
        mic.say(np.concatenate([speech, PAUSE, speech]))
        done = mic.stop()
    assert [s["text"] for s in done["segments"]] == [sounds.SPEECH_TEXT] * 3
    assert [s["text"] for s in mic.segments()] == [sounds.SPEECH_TEXT] * 3
    assert done["duration"] == pytest.approx(3 * len(speech) / 16_000 + 2, abs=0.01)
    assert done["also"]["text"].split() == [sounds.SPEECH_TEXT] * 3
    assert "-->" in done["also"]["srt"]
    starts = [s["start"] for s in done["segments"]]
    apart = len(speech) / 16_000 + 1
    assert np.diff(starts) == pytest.approx([apart, apart], abs=0.05)
    assert done["hotwords"] == []
    assert done["limit_reached"] is False


def test_a_guess_comes_before_the_pause(live: Service, speech) -> None:
    with microphone(live) as mic:
        mic.start()
        mic.say(speech[: int(1.8 * 16_000)])
        guess = mic.wait_for("partial")
        assert guess["text"]
        assert set(guess["text"]) & set(sounds.SPEECH_TEXT)


@pytest.mark.parametrize("rate", [8_000, 44_100, 48_000])
def test_any_microphones_rate_will_do(live: Service, speech, rate: int) -> None:
    at = np.arange(0, len(speech), 16_000 / rate)
    resampled = np.interp(at, np.arange(len(speech)), speech).astype(np.float32)
    with microphone(live) as mic:
        mic.start(sample_rate=rate)
        mic.say(resampled, block=rate // 10)
        done = mic.stop()
    assert done["duration"] == pytest.approx(len(speech) / 16_000, abs=0.02)
    # Half the band is missing from a telephone's sound, and the model has not heard such.
    if rate > 8_000:
        assert done["text"] == sounds.SPEECH_TEXT
    else:
        assert len(done["text"]) >= 3


def test_hotwords_work_here_too(live: Service) -> None:
    example = next(e for e in sounds.EXAMPLES if e["hotwords"])
    samples = audio.decode(sounds.EXAMPLES_DIRECTORY / example["file"], max_seconds=60)
    with microphone(live) as mic:
        mic.start(hotwords=example["hotwords"])
        mic.say(samples)
        done = mic.stop()
    assert done["text"] == example["text_with_hotwords"]
    assert done["hotwords"][0]["status"] == "matched"


def test_a_recording_goes_on_in_another_session(live: Service, speech) -> None:
    before = [{"start": 0.4, "end": 2.1, "text": "第一句", "confidence": 0.5}]
    with microphone(live) as mic:
        mic.start(offset_seconds=10.0, before=before, also="text")
        mic.say(speech)
        done = mic.stop()
    assert [s["text"] for s in done["segments"]] == ["第一句", sounds.SPEECH_TEXT]
    assert done["segments"][1]["start"] > 10.0
    assert done["also"]["text"].split() == ["第一句", sounds.SPEECH_TEXT]
    assert all(m["settled_seconds"] > 10.0 for m in mic.heard if m["type"] == "final")
    # Counted, in quotas too, is what this one heard.
    counted = wait_until(
        lambda: [
            one for one in live.events("transcribed") if one["request_id"] == done["request_id"]
        ],
        "the line of the log",
    )[-1]["audio_seconds"]
    assert 0 < counted < 10.0 < done["segments"][1]["end"]


def test_its_subtitles_are_as_wide_as_was_asked_for(live: Service, speech) -> None:
    with microphone(live) as mic:
        mic.start(also="srt,text", max_line_characters=4, max_cue_seconds=2, show_warnings=True)
        mic.say(speech)
        done = mic.stop()
    lines = [line for line in done["also"]["srt"].splitlines() if line and "-->" not in line]
    texts = [line for line in lines if not line.isdigit()]
    assert "".join(texts) == done["text"]
    assert max(map(len, texts)) <= 4
    assert done["also"]["text"].startswith("注意：")
    with microphone(live) as mic:
        refused = mic.start(max_line_characters=1)
    assert (refused["type"], "max_line_characters" in refused["error"]["message"]) == (
        "error", True,
    )  # fmt: skip


def test_silence_is_settled_and_no_text(live: Service) -> None:
    with microphone(live) as mic:
        mic.start()
        mic.say(np.zeros(8 * 16_000, dtype=np.float32))
        settled = mic.wait_for("final")
        assert settled["segments"] == []
        assert settled["settled_seconds"] > 4.0
        done = mic.stop()
    assert done["text"] == ""
    assert done["warnings"][1:] == ["no speech was found in the recording"]


@pytest.mark.parametrize(
    ("message", "part"),
    [
        ("hello", "the message"),
        ('{"type": "begin"}', "type"),
        ('{"type": "start", "sample_rate": 100}', "sample_rate"),
        ('{"type": "start", "sample_rate": "many"}', "sample_rate"),
        ('{"type": "start", "also": "docx"}', "also"),
        ('{"type": "start", "offset_seconds": -1}', "offset_seconds"),
        ('{"type": "start", "offset_seconds": NaN}', "offset_seconds"),
        (b"\x00\x01", "the message"),
    ],
)
def test_a_wrong_start_is_refused_with_a_sentence(live: Service, message: Any, part: str) -> None:
    with microphone(live) as mic:
        mic.socket.send(message)
        error = mic.wait_for("error")["error"]
        assert error["status"] == 400
        assert part in error["message"]
        assert "Traceback" not in error["message"]
        with pytest.raises(ConnectionClosed):
            mic.wait_for("done")


@pytest.mark.parametrize("message", [b"\x00" * 3201, "{}", '{"type": "start"}', "[" * 100_000])
def test_wrong_messages_later_are_refused_too(live: Service, message: Any) -> None:
    with microphone(live) as mic:
        mic.start()
        mic.socket.send(message)
        assert mic.wait_for("error")["error"]["status"] == 400


def test_it_ends_where_the_longest_recording_does(live: Service) -> None:
    with microphone(live) as mic:
        mic.start()
        with contextlib.suppress(ConnectionClosed):
            mic.say(np.zeros((MAX_AUDIO_SECONDS + 5) * 16_000, dtype=np.float32), block=16_000)
        assert mic.wait_for("done")["limit_reached"] is True


def test_a_page_from_elsewhere_may_not_listen(live: Service) -> None:
    with microphone(live, origin="http://evil.example") as mic:
        assert mic.wait_for("error")["error"]["status"] == 403
    with microphone(live, origin=live.url) as mic:
        assert mic.start()["type"] == "ready"


def test_there_are_so_many_microphones_and_no_more(live: Service) -> None:
    with contextlib.ExitStack() as stack:
        for _ in range(8):
            assert stack.enter_context(microphone(live)).start()["type"] == "ready"
        refused = stack.enter_context(microphone(live)).start()
        assert refused["error"]["code"] == "queue_full"
        assert refused["error"]["retry_after_seconds"] > 0

    def sessions() -> int:
        return int(json.loads(live.get("/system")[2])["live_sessions"])

    wait_until(lambda: sessions() == 0, "all places free again")
    text = live.metrics()
    assert 'asr_requests_failed_total{reason="queue_full",route="/live"}' in text


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Faulty]:
    """One that may be broken; it ends in order."""
    one = Faulty(tmp_path_factory.mktemp("own"))
    with one.running():
        yield one
        assert one.stop() == 0


def test_a_drain_hands_microphones_on(own: Faulty, speech) -> None:
    """`systemctl reload` with another model: the connection is closed with 1012, at once, and what
    was settled until then is known."""
    with microphone(own) as mic:
        mic.start()
        mic.say(np.concatenate([speech, PAUSE]))
        settled = mic.wait_for("final")["settled_seconds"]
        mic.say(speech[:8000])
        own.configure(asr={"max_segment_seconds": 15})
        own.signal(signal.SIGHUP)
        with pytest.raises(ConnectionClosed) as closed:
            mic.wait_for("done")
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1012
    rest = np.concatenate([speech, PAUSE, speech])[int(settled * 16_000) :]
    with microphone(own) as mic:
        mic.start(offset_seconds=settled)
        mic.say(rest)
        done = mic.stop()
    assert done["text"] == sounds.SPEECH_TEXT


def test_a_model_that_cannot_says_so_and_the_next_one_works(own: Faulty, speech) -> None:
    own.fail("no_room_at_all")
    with microphone(own) as mic:
        mic.start()
        # More than may wait: whoever speaks on must not hang for room that never comes.
        with contextlib.suppress(ConnectionClosed):
            mic.say(np.concatenate([speech, PAUSE] * 40), block=16_000)
        assert mic.wait_for("error", "done")["error"]["status"] == 507
    own.taken_up("room_again")
    with microphone(own) as mic:
        mic.start()
        mic.say(speech)
        assert mic.stop()["text"] == sounds.SPEECH_TEXT
