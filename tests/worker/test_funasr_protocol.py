"""FunASR's WebSocket protocol on its own port and at /funasr: messages as its documentation and its
clients have them, sent by a real WebSocket client."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import sounds
from patience import connect
from supervised import MAX_AUDIO_SECONDS, PATIENCE_SECONDS, Service, fetch, free_port, wait_until
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection

from seacod.asr import audio
from seacod.system.credentials import hash_key

PAUSE = np.zeros(16_000, dtype=np.float32)
FIRST = {"mode": "2pass", "wav_name": "demo", "wav_format": "pcm", "is_speaking": True,
         "chunk_size": [5, 10, 5], "chunk_interval": 10, "itn": True, "hotwords": ""}  # fmt: skip


class OnePort(Service):
    """A service with a port for FunASR's clients, which speaks TLS."""

    def __init__(self, directory: Path) -> None:
        self.funasr_port = free_port()
        super().__init__(directory)

    def configure(self, **sections: dict[str, Any]) -> None:
        server = {"funasr_port": self.funasr_port, **sections.pop("server", {})}
        limits = {"max_audio_seconds": MAX_AUDIO_SECONDS, "max_upload_bytes": 3 << 20}
        super().configure(**{"server": server, "limits": limits, **sections})


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OnePort]:
    one = OnePort(tmp_path_factory.mktemp("funasr"))
    with one.running():
        yield one


@pytest.fixture(scope="module")
def speech() -> np.ndarray:
    return audio.decode(sounds.SPEECH, max_seconds=60)


def pcm(samples: np.ndarray) -> bytes:
    return (samples * 32767).astype("<i2").tobytes()


class Talk:
    """One connection; everything that is answered is kept."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self.heard: list[dict[str, Any]] = []

    def say(self, **message: Any) -> None:
        self.socket.send(json.dumps(message, ensure_ascii=False))

    def send(self, sound: bytes, block: int = 9_600) -> None:
        for at in range(0, len(sound), block):
            self.socket.send(sound[at : at + block])

    def speak(self, samples: np.ndarray) -> None:
        """At the pace of a microphone, so that first texts come meanwhile."""
        sound = pcm(samples)
        for at in range(0, len(sound), 1_920):
            self.socket.send(sound[at : at + 1_920])
            with contextlib.suppress(TimeoutError):
                self.next(timeout=0.06)

    def speak_until(self, mode: str, samples: np.ndarray) -> int:
        """Again and again, until something of this kind is answered; how often."""
        times, before = 0, len(self.heard)
        while not any(one["mode"] == mode for one in self.heard[before:]):
            self.speak(samples)
            times += 1
        return times

    def next(self, timeout: float = PATIENCE_SECONDS) -> dict[str, Any]:
        answer: dict[str, Any] = json.loads(self.socket.recv(timeout=timeout))
        # Some clients insist on each of them.
        assert {"mode", "wav_name", "text", "is_final"} <= answer.keys()
        self.heard.append(answer)
        return answer

    def until(self, key: str = "is_final") -> list[dict[str, Any]]:
        """The answers up to one in which this is true."""
        answers = [self.next()]
        while not answers[-1].get(key):
            answers.append(self.next())
        return answers

    def closed(self) -> ConnectionClosed:
        with pytest.raises(ConnectionClosed) as ended:
            while True:
                self.next()
        return ended.value


@contextlib.contextmanager
def client(one: OnePort, *, path: str = "", **options: Any) -> Iterator[Talk]:
    """As FunASR's clients connect: TLS without a look at the certificate, any path."""
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    tls.check_hostname = False
    tls.verify_mode = ssl.CERT_NONE
    url = f"wss://127.0.0.1:{one.funasr_port}{path}"
    with connect(url, ssl=tls, subprotocols=["binary"], **options) as socket:
        assert socket.subprotocol == "binary"
        yield Talk(socket)


def joined(answers: list[dict[str, Any]], mode: str) -> str:
    return "".join(one["text"] for one in answers if one["mode"] == mode)


def test_2pass_tells_first_texts_and_then_the_sentences(service: OnePort, speech) -> None:
    with client(service) as talk:
        talk.say(**FIRST)
        times = talk.speak_until("2pass-online", np.concatenate([speech, PAUSE]))
        talk.send(pcm(speech))
        talk.say(is_speaking=False)
        talk.until()
    answers = talk.heard
    first = next(one for one in answers if one["mode"] == "2pass-online")
    assert first["text"]
    assert sounds.SPEECH_TEXT.startswith(first["text"])
    sentences = [one for one in answers if one["mode"] == "2pass-offline" and one["text"]]
    assert [one["text"] for one in sentences] == [sounds.SPEECH_TEXT] * (times + 1)
    assert [one["is_final"] for one in answers[:-1]] == [False] * (len(answers) - 1)
    second = json.loads(sentences[1]["timestamp"])
    assert len(second) == len(sounds.SPEECH_TEXT)
    # From the beginning of the utterance, in milliseconds.
    assert 1000 * (len(speech) / 16_000 + 1) < second[0][0] < second[-1][1]
    assert sentences[1]["stamp_sents"][0]["text_seg"] == " ".join(sounds.SPEECH_TEXT)
    assert sentences[1]["stamp_sents"][0]["ts_list"] == second


def test_online_gives_pieces_that_are_the_text_when_put_together(service: OnePort, speech) -> None:
    with client(service) as talk:
        talk.say(**{**FIRST, "mode": "online"})
        talk.send(pcm(np.concatenate([speech, PAUSE, speech])), block=1_920)
        talk.say(is_speaking=False)
        answers = talk.until()
    assert {one["mode"] for one in answers} == {"online"}
    assert joined(answers, "online") == sounds.SPEECH_TEXT * 2


@pytest.mark.parametrize("name", ["a.mp3", "a.m4a", "float.wav"])
def test_offline_takes_a_recording_of_any_kind(
    service: OnePort, tmp_path: Path, speech, name: str
) -> None:
    container, codec, rate, layout = sounds.FORMATS[name]
    recording = sounds.encode(
        tmp_path / name, 0, container=container, codec=codec, rate=rate, layout=layout,
        samples=speech,
    )  # fmt: skip
    with client(service) as talk:
        talk.say(mode="offline", wav_name="会议", wav_format=name[-3:], is_speaking=True, itn=True)
        talk.send(recording.read_bytes(), block=65_536)
        talk.say(is_speaking=False)
        (answer,) = talk.until()
    assert (answer["mode"], answer["wav_name"]) == ("offline", "会议")
    assert answer["text"] == sounds.SPEECH_TEXT
    assert len(json.loads(answer["timestamp"])) == len(sounds.SPEECH_TEXT)


def test_several_utterances_of_several_kinds_on_one_connection(service: OnePort, speech) -> None:
    sound = pcm(speech)
    with client(service) as talk:
        # All is sent before anything is answered, as FunASR's older client does with its list.
        talk.say(**{**FIRST, "mode": "offline", "wav_name": "1"})
        talk.send(sound)
        talk.say(is_speaking=False, is_end=True)
        talk.say(wav_name="2", audio_fs=8_000)
        talk.send(pcm(speech[::2]))
        talk.say(is_speaking=False)
        talk.say(wav_name="3", mode="2pass", audio_fs="16000")
        talk.send(sound + b"\0", block=1_001)
        talk.say(is_speaking=False, is_end=True)
        talk.say(wav_name="4")
        talk.say(is_speaking=False)
        first = talk.until("is_end")
        second = talk.until()
        third = talk.until("is_end")
        fourth = talk.until()
    assert [(one["wav_name"], one["text"]) for one in first] == [
        ("1", sounds.SPEECH_TEXT),
        ("1", ""),
    ]
    assert first[-1]["mode"] == "offline"
    assert first[-1]["is_final"]
    # Half the band is missing from a telephone's sound, and the model has not heard such.
    assert [one["wav_name"] for one in second] == ["2"]
    assert len(second[0]["text"]) >= 3
    assert joined(third, "2pass-offline") == sounds.SPEECH_TEXT
    assert third[-1]["mode"] == "2pass"
    assert [(one["wav_name"], one["text"]) for one in fourth] == [("4", "")]


@pytest.mark.parametrize("hotwords", ['{"%s": 20}', "%s 20\n阿里巴巴 30", "%s,阿里巴巴"])
@pytest.mark.parametrize("mode", ["offline", "2pass"])
def test_hotwords_come_in_every_form(service: OnePort, mode: str, hotwords: str) -> None:
    example = next(e for e in sounds.EXAMPLES if e["hotwords"])
    samples = audio.decode(sounds.EXAMPLES_DIRECTORY / example["file"], max_seconds=60)
    with client(service) as talk:
        talk.say(**{**FIRST, "mode": mode, "hotwords": hotwords % example["hotwords"]})
        talk.send(pcm(samples))
        talk.say(is_speaking=False)
        answers = talk.until()
    final = "offline" if mode == "offline" else "2pass-offline"
    assert joined(answers, final) == example["text_with_hotwords"]


def test_a_wav_file_in_front_of_a_microphone_is_its_sound(service: OnePort, speech) -> None:
    with client(service) as talk:
        talk.say(**FIRST)
        talk.send(sounds.wav(pcm(speech)))
        talk.say(is_speaking=False)
        assert joined(talk.until(), "2pass-offline") == sounds.SPEECH_TEXT


def test_it_is_at_an_address_of_the_main_port_too(service: OnePort, speech) -> None:
    with connect(f"ws://127.0.0.1:{service.port}/funasr") as socket:
        assert socket.subprotocol is None
        talk = Talk(socket)
        talk.say(**{**FIRST, "mode": "offline"})
        talk.send(pcm(speech))
        talk.say(is_speaking=False)
        assert talk.until()[0]["text"] == sounds.SPEECH_TEXT
    text = service.metrics()
    assert 'asr_requests_total{route="/funasr"}' in text


def test_its_port_has_neither_page_nor_api(service: OnePort) -> None:
    url = f"https://127.0.0.1:{service.funasr_port}"
    with httpx.Client(
        base_url=url, verify=False, trust_env=False, timeout=PATIENCE_SECONDS
    ) as asked:
        assert asked.get("/health/ready").status_code == 200
        for path in ("/", "/transcribe", "/jobs"):
            assert asked.get(path).status_code == 426
    # Nor anything for who does not speak TLS.
    with pytest.raises(OSError):
        fetch(f"http://127.0.0.1:{service.funasr_port}/")


# -- what cannot be done -----------------------------------------------------------------------


def test_a_recording_that_is_none_is_told_and_the_next_one_heard(service: OnePort, speech) -> None:
    with client(service) as talk:
        talk.say(mode="offline", wav_name="x", wav_format="mp3")
        talk.send(b"no recording at all" * 100)
        talk.say(is_speaking=False, is_end=True)
        told, receipt = talk.until("is_end")
        assert (told["text"], told["is_final"]) == ("", True)
        assert told["error"]
        assert told["error_details"]["message_zh"]
        # FunASR's client raises what the receipt says.
        assert (receipt["is_final"], receipt["error"]) == (False, told["error"])
        talk.say(wav_format="pcm", wav_name="y")
        talk.send(pcm(speech))
        talk.say(is_speaking=False)
        assert talk.until()[-1]["text"] == sounds.SPEECH_TEXT


@pytest.mark.parametrize(
    ("messages", "code", "word"),
    [(["nothing"], 1008, "JSON object"),
     (['{"audio_fs": 7}'], 1008, "audio_fs"),
     (['{"mode": "2pass"}', b"ID3" + bytes(60)], 1008, "MP3"),
     (['{"mode": "offline"}', *[bytes(1 << 20)] * 4], 1008, "limit"),
     (["x" * (300 << 10)], 1008, "limit")],
)  # fmt: skip
def test_what_is_no_use_is_told_before_the_connection_closes(
    service: OnePort, messages: list[str | bytes], code: int, word: str
) -> None:
    with client(service) as talk:
        with contextlib.suppress(ConnectionClosed):
            for one in messages:
                talk.socket.send(one)
        ended = talk.closed()
    assert any(word in one.get("error", "") for one in talk.heard), talk.heard
    assert ended.rcvd is not None
    assert ended.rcvd.code == code


def test_one_more_microphone_than_there_may_be_is_told_to_come_later(
    service: OnePort, speech
) -> None:
    with contextlib.ExitStack() as open_ones:
        talks = [open_ones.enter_context(client(service)) for _ in range(9)]
        for talk in talks[:8]:
            talk.say(**FIRST)
            talk.send(pcm(np.concatenate([speech, PAUSE])))
            # A sentence: its session is open.
            while talk.next()["mode"] != "2pass-offline":
                pass
        talks[8].say(**FIRST)
        talks[8].send(pcm(speech[:1600]))
        ended = talks[8].closed()
    assert ended.rcvd is not None
    assert ended.rcvd.code == 1013
    assert talks[8].heard[0]["error_details"]["code"] == "queue_full"


# -- workers that come and go ------------------------------------------------------------------


@pytest.mark.full
def test_a_drain_tells_what_was_said_and_who_comes_again_goes_on(service: OnePort, speech) -> None:
    before = service.worker_pid()
    with client(service) as speaking, client(service) as waiting, client(service) as sending:
        sending.say(**{**FIRST, "mode": "offline"})
        sending.send(pcm(speech))
        speaking.say(**FIRST)
        speaking.send(pcm(np.concatenate([speech, PAUSE])))
        while speaking.next()["mode"] != "2pass-offline":
            pass
        # Somebody is in the middle of a sentence.
        speaking.speak_until("2pass-online", speech)
        # A new worker takes over, and this one drains.
        config = json.loads(service.config.read_text())
        config["asr"]["max_segment_seconds"] = 11
        service.config.write_text(json.dumps(config))
        service.signal(signal.SIGHUP)
        ended = [one.closed() for one in (speaking, waiting)]
        # Its recording is still on the way: the drain waits for it, as for an upload.
        sending.say(is_speaking=False)
        assert sending.until()[-1]["text"] == sounds.SPEECH_TEXT
        ended.append(sending.closed())
    assert [one.rcvd.code for one in ended if one.rcvd] == [1012, 1012, 1012]
    # It was waited for, and not only there by chance.
    drained = wait_until(lambda: service.events("worker_drained"), "the end of the drain")
    assert drained[-1]["finished"] == 1
    # What was said before is not lost.
    said = [one["text"] for one in speaking.heard if one["mode"] == "2pass-offline"]
    assert said[0] == sounds.SPEECH_TEXT
    assert said[1]
    assert speaking.heard[-1]["is_final"]
    with client(service) as talk:
        talk.say(**FIRST)
        talk.send(pcm(speech))
        talk.say(is_speaking=False)
        assert joined(talk.until(), "2pass-offline") == sounds.SPEECH_TEXT
    wait_until(lambda: service.status_of("serving", other_than=before), "the other worker")


def test_nobody_is_refused_while_there_is_no_worker(service: OnePort, speech) -> None:
    pid = service.worker_pid()
    os.kill(pid, signal.SIGKILL)
    # It waits in the kernel's queue until the next worker serves.
    with client(service, open_timeout=PATIENCE_SECONDS) as talk:
        talk.say(**{**FIRST, "mode": "offline"})
        talk.send(pcm(speech))
        talk.say(is_speaking=False)
        assert talk.until()[-1]["text"] == sounds.SPEECH_TEXT
    wait_until(lambda: service.status_of("serving", other_than=pid), "another worker")


@pytest.mark.full
def test_addresses_come_in_without_a_key_where_others_need_one(tmp_path: Path, speech) -> None:
    one = OnePort(tmp_path / "closed")
    keys = f"program:{hash_key('secret')}"
    one.configure(
        access={
            "api_keys": keys,
            "funasr_addresses": "10.0.0.0/8",
            "quotas": "program:requests_per_minute=1",
        }
    )
    with one.running():
        with pytest.raises(InvalidStatus) as refused, client(one):
            pass
        assert refused.value.response.status_code == 403
        with client(one, additional_headers={"X-API-Key": "secret"}) as talk:
            talk.say(is_speaking=False)
            assert talk.until()[-1]["text"] == ""
            # Each utterance counts against the quota, not each connection.
            talk.send(pcm(speech))
            talk.say(is_speaking=False)
            talk.until()
            talk.send(pcm(speech[:1600]))
            ended = talk.closed()
            assert talk.heard[-2]["error_details"]["status"] == 429
            assert ended.rcvd is not None
            assert ended.rcvd.code == 1013
        config = json.loads(one.config.read_text())
        config["access"]["funasr_addresses"] = "10.0.0.0/8 127.0.0.0/8"
        one.config.write_text(json.dumps(config))
        pid = one.worker_pid()
        one.signal(signal.SIGHUP)
        wait_until(lambda: one.status_of("serving", other_than=pid), "the new settings")
        with client(one) as talk:
            talk.say(is_speaking=False)
            assert talk.until()[-1]["text"] == ""
        # Only for this protocol.
        assert one.get("/system")[0] == 401
