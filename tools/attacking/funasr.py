"""Inputs for FunASR's WebSocket protocol, at its route and at its port, which speaks TLS."""

from __future__ import annotations

import contextlib
import json
import os
import struct
from collections.abc import Callable, Iterator
from typing import Any

from attacking.sending import Input, frame, holding, talking, upgrade
from attacking.wire import Target

ROUTE = "/funasr"
END = b'{"is_speaking": false}'
_MIB = 1 << 20
_MODES = ("offline", "online", "2pass")
_HELD = 200


def known() -> Iterator[Input]:
    """Some of each kind."""
    yield from _first_messages()
    yield from _sound()
    yield from _silence()
    yield from _wrong_tls()


def said(**changed: Any) -> bytes:
    """A first message."""
    usual = {
        "mode": "2pass", "wav_name": "a", "wav_format": "pcm", "audio_fs": 16000,
        "chunk_size": [5, 10, 5], "chunk_interval": 10, "itn": True, "is_speaking": True,
        "hotwords": '{"a": 20}',
    }  # fmt: skip
    return json.dumps({**usual, **changed}).encode()


def _talking(frames: bytes, by_tls: bool = False) -> Callable[[Target], str]:
    # Most of it is never answered.
    return talking(frames, ROUTE, by_tls=by_tls, patience_seconds=3.0)


def _first_messages() -> Iterator[Input]:
    words = (
        b"", b"hello", b"null", b"[]", b"1", b'"x"', b"{", b'{"mode":', b"\xff\xfe{}", b"NaN",
        b"[" * 100_000, b'{"a":' * 50_000, said(mode=[]), said(mode={"a": 1}),
        said(audio_fs=10**400), said(audio_fs=-1), said(audio_fs="x"), said(audio_fs=1e308),
        said(chunk_size=[1e308] * 3), said(chunk_size="x"), said(chunk_size=[0] * 100_000),
        said(chunk_interval=-1), said(hotwords="x " * 60_000), said(hotwords={"a": {"b": {}}}),
        said(hotwords="http://127.0.0.1:1/x /etc/passwd.txt"), said(hotwords=[[[]]]),
        said(wav_name="x" * 200_000), said(wav_name={"a": []}), said(wav_name="../../etc/passwd"),
        said(wav_format="../x"), said(itn=[]), said(svs_lang="x" * 100_000), said(is_speaking="?"),
        # More than a message may have, in characters, and in bytes.
        said(hotwords="x" * 300_000), said(hotwords="x" * (9 * _MIB)),
        b'{"hotwords": "' + "热".encode() * 200_000 + b'"}',
    )  # fmt: skip
    for one in words:
        sent = frame(one, 1) + frame(bytes(3200), 2) + frame(END, 1)
        yield Input("a first message of FunASR's protocol", _talking(sent))
    again = b"".join(frame(said(mode=_MODES[n % 3]), 1) for n in range(2_000))
    yield Input("a first message again and again", _talking(again + frame(END, 1)))
    ends = frame(END, 1) * 2_000
    yield Input("nothing but ends", _talking(ends))


def _sound() -> Iterator[Input]:
    for by_tls in (False, True):
        for mode in _MODES:
            start = frame(said(mode=mode), 1)

            def sending(frames: bytes, by_tls: bool = by_tls) -> Callable[[Target], str]:
                return _talking(frames, by_tls)

            early = frame(bytes(3200), 2) + start + frame(END, 1)
            yield Input("sound before the first message", sending(early))
            halves = start + frame(b"\1" * 333, 2) * 50 + frame(b"\1", 2) * 50 + frame(END, 1)
            yield Input("half samples", sending(halves))
            yield Input("nothing said", sending(start + frame(b"", 2) * 500 + frame(END, 1)))
            noise = b"".join(frame(os.urandom(32_000), 2) for _ in range(20))
            yield Input("an utterance without an end", sending(start + noise))
            big = start + frame(bytes(900_000), 2) * 4
            yield Input("an utterance of silence without an end", sending(big))
            yield Input("a piece too big", sending(start + frame(bytes(9 * _MIB), 2)))
            rates = frame(said(mode=mode, audio_fs=192_000), 1) + frame(b"\1\0" * 200_000, 2)
            yield Input("another rate in the middle", sending(rates + start + frame(END, 1)))
            many = (start + frame(b"\1\0" * 800, 2) + frame(END, 1)) * 10
            yield Input("many short utterances", sending(many))
    lying = b"RIFF\xff\xff\xff\xffWAVEfmt " + struct.pack("<LHHLLHH", 16, 1, 999, 0, 0, 0, 0)
    for name in ("wav", "mp3", "x", "pcm"):
        start = frame(said(mode="offline", wav_format=name), 1)
        for content in (lying, lying + b"junk" + bytes(400_000), os.urandom(50_000), b"\1"):
            sent = start + frame(content, 2) + frame(END, 1)
            yield Input("a recording that is none", _talking(sent))
    for mode in ("online", "2pass"):
        sent = frame(said(mode=mode), 1) + frame(lying, 2) + frame(END, 1)
        yield Input("a head that lies", _talking(sent))


def _silence() -> Iterator[Input]:
    yield Input("connections that say nothing", _opened(b"", _HELD), _HELD)
    yield Input("connections that stop speaking", _opened(frame(said(), 1), _HELD), _HELD)
    spoken = frame(said(), 1) + frame(bytes(3200), 2)
    yield Input("utterances that stop", _opened(spoken, 50), 50)
    for half in (b"", b"\x16\x03\x01", b"GET / HT"):
        yield Input("held connections at FunASR's port", holding(half, _HELD, "funasr"), _HELD)


def _opened(frames: bytes, count: int) -> Callable[[Target], str]:
    """So many WebSockets at once on which this and nothing more is said."""

    def send(target: Target) -> str:
        with contextlib.ExitStack() as stack:
            for _ in range(count):
                with contextlib.suppress(OSError):
                    one = stack.enter_context(target.connect(5.0))
                    one.sendall(upgrade(target, ROUTE) + frames)
        return "held"

    return send


def _wrong_tls() -> Iterator[Input]:
    hello = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"
    for sent in (
        b"GET /funasr HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", os.urandom(5_000), hello,
        hello + os.urandom(508), hello + bytes(508), b"\x16\x03\x00\xff\xff" + bytes(65_535),
        b"\x80\x2e\x01\x00\x02", b"\x15\x03\x01\x00\x02\x02\x28", b"\x17\x03\x03\x40\x00" * 3_000,
    ):  # fmt: skip
        for _ in range(5):
            yield Input("wrong TLS", _raw(sent))
    for _ in range(10):
        yield Input("TLS that breaks off", _broken_tls())


def _raw(sent: bytes) -> Callable[[Target], str]:
    def send(target: Target) -> str:
        with contextlib.suppress(OSError), target.connect(2.0, "funasr") as connection:
            connection.sendall(sent)
            connection.shutdown(1)
            connection.recv(4096)
            return "no TLS"
        return "cut"

    return send


def _broken_tls() -> Callable[[Target], str]:
    def send(target: Target) -> str:
        with contextlib.suppress(OSError), target.connect_by_tls(5.0) as connection:
            connection.sendall(upgrade(target, ROUTE))
            connection.recv(4096)
            # Behind TLS's back, and away without a word.
            os.write(connection.fileno(), os.urandom(2_000))
            return "TLS"
        return "cut"

    return send
