"""FunASR's protocol, without a service: what clients say, what they are told, the port's TLS."""

from __future__ import annotations

import asyncio
import contextlib
import json
import ssl
import stat
import struct
import wave
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.types import Receive, Scope, Send

from seacod.config.access import AccessSettings
from seacod.errors import BadRequest, QueueFull, TooBig
from seacod.system.credentials import hash_key
from seacod.system.net import self_made_certificate
from seacod.transcript import Segment, Token
from seacod.web.funasr_protocol import stamps, wav_head
from seacod.web.funasr_protocol.crowd import Crowd
from seacod.web.funasr_protocol.growing import GrowingText
from seacod.web.funasr_protocol.messages import (
    MAX_MESSAGE_CHARACTERS,
    FunasrWishes,
    Mode,
    understood,
)
from seacod.web.funasr_protocol.spool import Spool
from seacod.web.logins.logins import Logins
from seacod.web.middleware.access import Access

KEYS = f"program:{hash_key('secret')}"


def say(before: FunasrWishes | None = None, **message: object) -> FunasrWishes:
    return understood(json.dumps(message), before or FunasrWishes()).wishes


# -- what clients say --------------------------------------------------------------------------


def test_the_first_message_of_the_documentation_is_understood() -> None:
    control = understood(
        json.dumps({
            "mode": "offline", "wav_name": "会议", "wav_format": "mp3", "is_speaking": True,
            "hotwords": '{"阿里巴巴":20,"通义实验室":30}', "itn": False, "audio_fs": 8000,
            "chunk_size": [5, 10, 5], "chunk_interval": 10, "svs_lang": "auto", "svs_itn": True,
            "encoder_chunk_look_back": 4, "decoder_chunk_look_back": 1,
        }),
        FunasrWishes(),
    )  # fmt: skip
    assert control.wishes == FunasrWishes(
        Mode.OFFLINE, "会议", "mp3", 8000, False, '{"阿里巴巴":20,"通义实验室":30}', 0.6
    )
    assert not control.is_end
    assert not control.wants_receipt


# As FunASR's clients begin, by what its repository says of them; only Python's runs here.
_MICROPHONE = {"chunk_size": [5, 10, 5], "chunk_interval": 10, "is_speaking": True}


@pytest.mark.parametrize(
    ("message", "mode", "format", "rate", "hotwords"),
    [
        pytest.param(
            {**_MICROPHONE, "wav_name": "h5", "itn": True, "mode": "offline", "wav_format": "PCM",
             "audio_fs": 8000, "hotwords": '{"阿里巴巴":20}'},
            Mode.OFFLINE, "pcm", 8000, '{"阿里巴巴":20}', id="html5",
        ),
        pytest.param(
            {**_MICROPHONE, "mode": "2pass", "wav_name": "default", "wav_format": "pcm",
             "hotwords": "{}"},
            Mode.BOTH, "pcm", 16000, "{}", id="Android",
        ),
        pytest.param(
            {**_MICROPHONE, "mode": "offline", "chunk_size": "5,10,5", "wav_name": "a.mp3",
             "wav_format": "mp3"},
            Mode.OFFLINE, "mp3", 16000, "", id="C#",
        ),
        pytest.param(
            # A slip of that client: a mode that there is not is as good as none.
            {**_MICROPHONE, "mode": "office", "wav_name": "a.wav", "wav_format": "pcm"},
            Mode.BOTH, "pcm", 16000, "", id="C# with a WAV file",
        ),
        pytest.param(
            {**_MICROPHONE, "mode": "online", "wav_name": "javatest", "wav_format": "pcm",
             "hotwords": '{"自研":"20"}'},
            Mode.ONLINE, "pcm", 16000, '{"自研":"20"}', id="Java",
        ),
    ],
)  # fmt: skip
def test_first_messages_of_other_clients_are_understood(
    message: dict[str, object], mode: Mode, format: str, rate: int, hotwords: str
) -> None:
    wishes = say(**message)
    assert (wishes.mode, wishes.format, wishes.rate, wishes.hotwords) == (
        mode, format, rate, hotwords,
    )  # fmt: skip


def test_what_a_message_does_not_say_stays_as_it_was() -> None:
    first = say(mode="offline", wav_name="a", audio_fs=8000, hotwords="欣悦 20")
    assert say(first, is_speaking=False, hotwords=None) == first
    assert say(first, wav_name="b").name == "b"


@pytest.mark.parametrize(
    ("message", "is_end", "wants_receipt"),
    [({"is_speaking": False}, True, False),
     ({"is_speaking": False, "is_end": True}, True, True),
     ({"is_finished": True}, True, False),
     ({"is_speaking": "false"}, True, False),
     ({"is_speaking": True}, False, False),
     ({"is_speaking": None}, False, False),
     ({}, False, False)],
)  # fmt: skip
def test_an_utterance_ends_when_nobody_speaks(
    message: dict[str, object], is_end: bool, wants_receipt: bool
) -> None:
    control = understood(json.dumps(message), FunasrWishes())
    assert (control.is_end, control.wants_receipt) == (is_end, wants_receipt)


@pytest.mark.parametrize(
    ("key", "value", "field", "read"),
    [("audio_fs", "8000", "rate", 8000),
     ("audio_fs", 44100.0, "rate", 44100),
     ("chunk_size", "5, 10, 5", "first_text_seconds", 0.6),
     ("chunk_size", [8, 8, 4], "first_text_seconds", 0.48),
     ("chunk_size", [0, 1, 0], "first_text_seconds", 0.3),
     ("chunk_size", [0, 1e9, 0], "first_text_seconds", 5.0),
     ("itn", "false", "has_digits", False),
     ("itn", 0, "has_digits", False),
     ("mode", "office", "mode", Mode.BOTH),
     ("mode", ["offline"], "mode", Mode.BOTH),
     ("wav_name", 7, "name", "7"),
     ("wav_name", "x" * 500, "name", "x" * 200),
     ("wav_format", ".MP3", "format", "mp3"),
     ("wav_format", "PCM", "format", "pcm"),
     ("hotwords", {"欣悦": 20}, "hotwords", '{"欣悦": 20}')],
)  # fmt: skip
def test_values_are_read_as_clients_write_them(
    key: str, value: object, field: str, read: object
) -> None:
    assert getattr(say(**{key: value}), field) == read


@pytest.mark.parametrize(
    "text",
    ["", "nothing", "[]", "7", '"a"', "[" * 100_000, '{"audio_fs": 7}', '{"audio_fs": "fast"}',
     '{"audio_fs": true}', '{"audio_fs": 1e400}', '{"audio_fs": NaN}', '{"chunk_size": []}',
     '{"chunk_size": [5, 0, 5]}', '{"chunk_size": "a,b,c"}', '{"chunk_size": {"a": 1}}',
     json.dumps({"wav_name": "x" * MAX_MESSAGE_CHARACTERS})],
)  # fmt: skip
def test_what_is_of_no_use_is_told_in_both_languages(text: str) -> None:
    with pytest.raises(BadRequest) as told:
        understood(text, FunasrWishes())
    assert told.value.message
    assert told.value.chinese != told.value.message


@given(st.dictionaries(
    st.sampled_from(["mode", "wav_name", "wav_format", "audio_fs", "itn", "hotwords", "chunk_size",
                     "is_speaking", "is_end", "is_finished", "chunk_interval"]),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda one: st.lists(one, max_size=3) | st.dictionaries(st.text(), one, max_size=3)),
))  # fmt: skip
def test_nothing_that_is_sent_breaks_the_reading(message: dict[str, object]) -> None:
    try:
        understood(json.dumps(message), FunasrWishes())
    except BadRequest as error:
        assert len(error.message) < 500


# -- when what was said ------------------------------------------------------------------------


def segment(text: str, *tokens: tuple[str, float, float]) -> Segment:
    return Segment(0.0, 9.0, text, None, tuple(Token(*token) for token in tokens))


def test_signs_have_the_times_of_their_tokens() -> None:
    said = segment("正是，ok吧。", ("正", 0.43, 0.67), ("是", 0.67, 0.81), ("ok", 0.9, 1.1),
                   ("吧", 1.1, 1.2))  # fmt: skip
    assert stamps.timestamp([said]) == "[[430,670],[670,810],[900,1100],[1100,1200]]"
    assert stamps.stamp_sents([said]) == [
        {"text_seg": "正 是", "punc": "，", "start": 430, "end": 810,
         "ts_list": [[430, 670], [670, 810]]},
        {"text_seg": "ok 吧", "punc": "。", "start": 900, "end": 1200,
         "ts_list": [[900, 1100], [1100, 1200]]},
    ]  # fmt: skip


def test_signs_are_those_of_the_written_text_where_numbers_are_digits() -> None:
    said = segment("共15个", ("共", 0, 1), ("十", 1, 2), ("五", 2, 3), ("个", 3, 4))
    spans = json.loads(stamps.timestamp([said]))
    # Clients count the characters of the text along the list.
    assert len(spans) == len("共15个")
    assert spans[0] == [0, 1000]
    assert spans[3] == [3000, 4000]
    assert spans == sorted(spans)


def test_a_word_of_letters_is_one_sign() -> None:
    said = segment("don't stop", ("don't", 0, 1), ("stop", 1, 2))
    assert [sign.text for sign in stamps.signs_of(said)] == ["don't", "stop"]


def test_no_sign_no_list() -> None:
    assert stamps.timestamp([]) == ""
    assert stamps.stamp_sents([segment("。。")]) == []


# -- a text that only grows --------------------------------------------------------------------


def test_what_two_texts_agree_on_is_told_once() -> None:
    growing = GrowingText()
    heard = [growing.heard(text) for text in ("今天", "今天天", "今天天气", "今天天气很")]
    assert heard == ["", "今天", "天", "气"]
    assert growing.finished("今天天气很好") == "很好"
    assert not growing.has_told


def test_what_was_told_wrongly_is_not_told_twice() -> None:
    growing = GrowingText()
    assert [growing.heard("新月"), growing.heard("新月在")] == ["", "新月"]
    assert growing.finished("欣悦在吗") == "在吗"


def test_words_are_told_whole_and_apart() -> None:
    growing = GrowingText()
    assert [growing.heard(text) for text in ("hel", "hello wo", "hello wor")] == ["", "", "hello"]
    assert growing.finished("hello world") == " world"
    assert growing.finished("again") == " again"


@given(st.lists(st.text("今天ab 的", max_size=8), max_size=6))
def test_without_corrections_all_that_is_told_is_the_text(parts: list[str]) -> None:
    growing = GrowingText()
    told, text = "", ""
    for part in parts:
        text += part
        told += growing.heard(text)
        assert text.startswith(told)
    assert told + growing.finished(text) == text


# -- recordings on their way -------------------------------------------------------------------


def spooled(path: Path, wishes: FunasrWishes, *messages: bytes, max_bytes: int = 1 << 30) -> bytes:
    async def write() -> bytes:
        with Spool(path, wishes, max_bytes) as spool:
            for one in messages:
                await spool.add(one)
            await spool.finish()
            return path.read_bytes()

    return asyncio.run(write())


def test_bare_samples_become_a_wav_file(tmp_path: Path) -> None:
    # A sample is cut in two by a message, and half a one is left over.
    written = spooled(tmp_path / "a", FunasrWishes(rate=8000), b"\1\2\3", b"\4\5")
    (tmp_path / "b").write_bytes(written)
    with wave.open(str(tmp_path / "b")) as file:
        assert file.getparams()[:4] == (1, 2, 8000, 2)
        assert file.readframes(9) == b"\1\2\3\4"
    assert not (tmp_path / "a").exists()


@pytest.mark.parametrize("wishes", [FunasrWishes(format="mp3"), FunasrWishes(format="others")])
def test_a_file_is_left_as_it_is(tmp_path: Path, wishes: FunasrWishes) -> None:
    assert spooled(tmp_path / "a", wishes, b"ID3", b"\1") == b"ID3\1"


def test_a_wav_file_that_is_called_pcm_is_a_wav_file(tmp_path: Path) -> None:
    assert spooled(tmp_path / "a", FunasrWishes(), b"RIFF....WAVE") == b"RIFF....WAVE"


def test_a_recording_has_a_biggest_size(tmp_path: Path) -> None:
    with pytest.raises(TooBig):
        spooled(tmp_path / "a", FunasrWishes(), b"\0" * 60, b"\0" * 60, max_bytes=100)
    assert not (tmp_path / "a").exists()


def wav(channels: int = 1, bits: int = 16, rate: int = 8000, before: bytes = b"") -> bytes:
    described = struct.pack("<HHIIHH", 1, channels, rate, 0, 0, bits)
    return (b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0" + described + before
            + b"data\xff\xff\xff\xff" + b"\1\2")  # fmt: skip


@pytest.mark.parametrize("before", [b"", b"LIST\3\0\0\0abc\0"])
def test_the_head_of_a_wav_file_is_no_sound(before: bytes) -> None:
    sound = wav(before=before)
    found = wav_head.read(sound)
    assert found is not None
    assert (sound[found.size :], found.rate) == (b"\1\2", 8000)


@pytest.mark.parametrize(
    "sound", [b"", b"RIFF", b"\0" * 60, wav()[:40], b"RIFF\0\0\0\0WAVEdata\0\0\0\0"]
)
def test_what_is_no_whole_head_is_left_alone(sound: bytes) -> None:
    assert wav_head.read(sound) is None


@pytest.mark.parametrize("sound", [wav(channels=2), wav(bits=24)])
def test_sound_that_a_microphone_does_not_send_is_told(sound: bytes) -> None:
    with pytest.raises(BadRequest, match="mode offline any recording"):
        wav_head.read(sound)


@given(st.binary(max_size=200))
def test_no_head_breaks_the_reading(tail: bytes) -> None:
    with contextlib.suppress(BadRequest):
        wav_head.read(b"RIFF\0\0\0\0WAVE" + tail)


# -- who may be connected ----------------------------------------------------------------------


def test_who_waits_longest_makes_room() -> None:
    crowd = Crowd()
    with crowd.guest(2, "a") as first, crowd.guest(2, "a") as second:
        with crowd.waiting(first), crowd.waiting(second), crowd.guest(2, "a"):
            assert (first.must_go.is_set(), second.must_go.is_set()) == (True, False)
        with pytest.raises(QueueFull), crowd.guest(1, "a"):
            pass


def test_one_client_that_sends_on_every_connection_does_not_shut_others_out() -> None:
    crowd = Crowd()
    with crowd.guest(2, "a"), crowd.guest(2, "a"), crowd.guest(2, "b"):
        for client in ("a", "b", "c"):
            with pytest.raises(QueueFull), crowd.guest(2, client):
                pass


@pytest.mark.parametrize("wrong", ["everybody", "10.0.0.0/99"])
def test_addresses_without_a_key_are_addresses(wrong: str) -> None:
    with pytest.raises(ValueError, match="funasr_addresses"):
        AccessSettings(funasr_addresses=wrong)


@pytest.mark.parametrize(
    ("settings", "address", "key", "is_let_in"),
    [({}, "1.2.3.4", "", True),
     ({"api_keys": KEYS}, "1.2.3.4", "", False),
     ({"api_keys": KEYS}, "1.2.3.4", "secret", True),
     ({"api_keys": KEYS, "funasr_addresses": "10.0.0.0/8"}, "10.1.2.3", "", True),
     ({"api_keys": KEYS, "funasr_addresses": "10.0.0.0/8"}, "1.2.3.4", "", False),
     ({"api_keys": KEYS, "funasr_addresses": "10.0.0.0/8"}, "1.2.3.4", "secret", True),
     ({"funasr_addresses": "10.0.0.0/8"}, "10.1.2.3", "", True),
     ({"funasr_addresses": "10.0.0.0/8"}, "1.2.3.4", "", False)],
)  # fmt: skip
@pytest.mark.parametrize("path", ["/funasr", "/live"])
def test_an_address_stands_for_a_key_in_this_protocol_alone(
    tmp_path: Path, settings: dict[str, str], address: str, key: str, is_let_in: bool, path: str
) -> None:
    given = AccessSettings(**settings)
    let_in = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        let_in.append(scope["path"])

    async def look() -> None:
        logins = Logins(given, tmp_path, lambda what: None)
        headers = [(b"x-api-key", key.encode())] if key else []
        scope = {"type": "websocket", "path": path, "client": (address, 1), "headers": headers}
        await Access(app, given, logins, "")(scope, nothing, nothing)

    async def nothing(*_: object) -> Any:
        return {}

    asyncio.run(look())
    is_open = "api_keys" not in settings or bool(key)
    assert bool(let_in) == (is_let_in if path == "/funasr" else is_open)


# -- a certificate of its own ------------------------------------------------------------------


def test_a_certificate_is_made_once_and_only_ours(tmp_path: Path) -> None:
    file = tmp_path / "certificate.pem"
    assert isinstance(self_made_certificate.context(file), ssl.SSLContext)
    made = file.read_bytes()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    self_made_certificate.context(file)
    assert file.read_bytes() == made
    file.write_text("rubbish")
    self_made_certificate.context(file)
    assert b"PRIVATE KEY" in file.read_bytes()
    assert [path.name for path in tmp_path.iterdir()] == ["certificate.pem"]
