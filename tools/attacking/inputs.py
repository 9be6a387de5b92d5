"""The inputs: those that have hurt a service, and mutations of ordinary ones."""

from __future__ import annotations

import base64
import contextlib
import io
import json
import os
import random
import struct
import zipfile
from collections.abc import Callable, Iterator

from attacking import funasr, wire
from attacking.sending import Input, frame, holding, talking
from attacking.wire import Door, Target
from seacod.models.examples import EXAMPLES, examples

_MIB = 1 << 20
_PATIENCE_SECONDS = 0.4


def request(name: str, make: Callable[[Target], bytes]) -> Input:
    return Input(name, lambda target: wire.exchange(target, make(target))[0])


def upload(name: str, path: str, content: bytes, file_name: str = "a.wav") -> Input:
    field = "file" if path == "/transcribe" else "files"
    body = wire.form((f'name="{field}"; filename="{file_name}"', content))
    return request(name, lambda target: wire.post(target, path, body))


def all_of_them(chance: random.Random, count: int) -> Iterator[Input]:
    """What is known, then mutations until there were `count`."""
    sent = 0
    for one in known():
        sent += one.weight
        yield one
    yield from mutated(chance, count - sent)


def known() -> Iterator[Input]:
    """One or more of each kind that got through once."""
    yield from _archives()
    yield from _forms()
    yield from _empty_parts()
    yield from _heads()
    yield from _strangers()
    yield from _logins()
    yield from _connections()
    yield from _microphones()
    yield from funasr.known()


# -- memory ---------------------------------------------------------------------------------------


def _archives() -> Iterator[Input]:
    for method in (zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA, zipfile.ZIP_DEFLATED):
        yield upload(f"zip of method {method}", "/batch_transcribe", _bomb(method), "b.zip")
    yield upload("zip with many entries", "/batch_transcribe", _many_entries(400_000), "m.zip")
    junk = b"RIFF\xff\xff\xff\xffWAVE" + (b"junk" + bytes(4)) * 3_000_000
    yield upload("zip of empty chunks", "/batch_transcribe", _packed(*[junk] * 3), "j.zip")
    nested = _packed(_packed(_packed(b"x" * 1000)))
    yield upload("zip in a zip", "/batch_transcribe", nested, "n.zip")
    lying = bytearray(_packed(b"x" * 1000))
    at = lying.index(b"PK\x01\x02")
    struct.pack_into("<LL", lying, at + 20, 0xFFFFFFFF, 0xFFFFFFFF)
    yield upload("zip that lies about sizes", "/batch_transcribe", bytes(lying), "l.zip")


def _bomb(method: int) -> bytes:
    target = io.BytesIO()
    with (
        zipfile.ZipFile(target, "w", method) as archive,
        archive.open("a.wav", "w", force_zip64=True) as entry,
    ):
        for _ in range(256):
            entry.write(bytes(_MIB))
    return target.getvalue()


def _packed(*contents: bytes) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for number, content in enumerate(contents):
            archive.writestr(f"{number}.wav", content)
    return target.getvalue()


def _many_entries(count: int) -> bytes:
    whole = _packed(b"")
    end = whole.index(b"PK\x05\x06")
    start = whole.index(b"PK\x01\x02")
    directory = whole[start:end] * count
    return (
        whole[:start]
        + directory
        + struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 1, 1, len(directory), start, 0)
    )


def _forms() -> Iterator[Input]:
    field = ('name="hotwords"', b"x" * 65_000)
    many = wire.form(*[field] * 500)
    yield request("a field again and again", lambda target: wire.post(target, "/transcribe", many))
    small = wire.form(*[('name="a"', b"")] * 100_000)
    yield request("many small parts", lambda target: wire.post(target, "/transcribe", small))
    head = b"--x\r\n" + b"".join(b"X-%d: 1\r\n" % n for n in range(50_000))
    yield request("many headers of a part", lambda target: wire.post(target, "/transcribe", head))
    long = b"--x\r\nX: " + b"1" * (4 * _MIB)
    yield request("a long header of a part", lambda target: wire.post(target, "/transcribe", long))
    chunks = b"1\r\nx\r\n" * 200_000 + b"0\r\n\r\n"
    kind = ("Content-Type: multipart/form-data; boundary=x", "Transfer-Encoding: chunked")
    yield request(
        "chunks of a byte", lambda target: target.head("POST", "/transcribe", *kind) + chunks
    )
    for length in (70, 71, 256, 10_000):
        boundary = "b" * length
        body = wire.form(('name="file"; filename="a"', b"x"), boundary=boundary)
        yield request(
            f"a boundary of {length}",
            lambda target, b=boundary, body=body: wire.post(
                target, "/transcribe", body, boundary=b
            ),
        )
    star = wire.form(("name=\"file\"; filename*=UTF-8''%E4%BC%9A.wav", b"no sound"))
    yield request("filename* alone", lambda target: wire.post(target, "/transcribe", star))
    for name in ("=cmd|x", '=HYPERLINK(\\"http://x\\")', "../../etc/passwd", "a\0b", "x" * 5000):
        yield upload("a name", "/batch_transcribe", b"no sound", name)


# -- time -----------------------------------------------------------------------------------------


def _empty_parts() -> Iterator[Input]:
    count = 3_000_000
    bodies = {
        "wav": b"RIFF\xff\xff\xff\xffWAVE" + (b"junk" + bytes(4)) * count,
        "mp4": b"\0\0\0\x14ftypM4A \0\0\0\0M4A " + b"\0\0\0\x08free" * count,
        "aiff": b"FORM\xff\xff\xff\xfeAIFF" + (b"JUNK" + bytes(4)) * count,
        "caf": b"caff\0\1\0\0" + (b"free" + bytes(8)) * (count // 2),
        "avi": b"RIFF\xff\xff\xff\xffAVI " + (b"JUNK" + bytes(4)) * count,
        "mkv": b"\x1a\x45\xdf\xa3\x80\x18\x53\x80\x67\x01"
        + b"\xff" * 7
        + b"\xec\x80" * (2 * count),
        "ogg": (b"OggS\0\0" + bytes(8) + b"\1\0\0\0" + bytes(8) + b"\0") * (count // 4),
    }
    for name, body in bodies.items():
        yield upload(f"{name} of empty parts", "/transcribe", body, f"a.{name}")


# -- requests -------------------------------------------------------------------------------------


def _heads() -> Iterator[Input]:
    yield request("a long head", lambda t: t.head("GET", "/", "X: " + "1" * 200_000))
    yield request("many headers", lambda t: t.head("GET", "/", *["X: 1"] * 50_000))
    yield request("a long path", lambda t: t.head("GET", "/" + "a" * 200_000))
    yield request("a long query", lambda t: t.head("GET", "/health?" + "a=1&" * 10_000))
    yield request("cookies", lambda t: t.head("GET", "/health", "Cookie: " + "a=1; " * 5_000))
    yield request("no HTTP", lambda t: os.urandom(5_000))
    basic = base64.b64encode("é:é".encode("latin-1")).decode()
    for header in ("Authorization: Basic éé", f"Authorization: Basic {basic}", "Range: bytes=-1"):
        yield request("odd headers", lambda t, h=header: t.head("GET", "/system", h))


def _strangers() -> Iterator[Input]:
    body = wire.form(('name="file"; filename="a"', b"x"))
    for header in ("Origin: http://evil.example", "Sec-Fetch-Site: cross-site", "Origin: null"):
        yield request(
            "a page elsewhere",
            lambda t, h=header: wire.post(t, "/transcribe", body, h),
        )
    yield request(
        "another name",
        lambda t: b"GET /system HTTP/1.1\r\nHost: rebind.example\r\nConnection: close\r\n\r\n",
    )


def _logins() -> Iterator[Input]:
    for number in range(300):
        wrong = base64.b64encode(f"somebody:{number}".encode()).decode()
        head = f"GET /system HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Basic {wrong}\r\n"
        whole = f"{head}Connection: close\r\n\r\n".encode()
        yield request("a wrong password", lambda t, whole=whole: whole)


# -- connections ----------------------------------------------------------------------------------


def _connections() -> Iterator[Input]:
    halves = (b"", b"GET / HT", b"POST /transcribe HTTP/1.1\r\nHost: 127.0.0.1\r\nX: ")
    doors: tuple[Door, ...] = ("main", "metrics")
    for door in doors:
        for half in halves:
            yield Input("held connections", holding(half, 200, door), 200)
    unfinished = (
        b"POST /transcribe HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 100000\r\n"
        b"Content-Type: multipart/form-data; boundary=x\r\n\r\n--x\r\n"
    )
    yield Input("held uploads", holding(unfinished, 200), 200)
    pipelined = b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n" * 200
    yield Input("pipelined requests", holding(pipelined, 10), 10)


# -- microphones ----------------------------------------------------------------------------------


def _microphones() -> Iterator[Input]:
    start = json.dumps({"type": "start", "sample_rate": 16000})
    for changed in (
        {"offset_seconds": 1e308, "also": "srt"}, {"offset_seconds": -1}, {"sample_rate": 10**400},
        {"before": [{"start": 1e308, "end": 0, "text": "x"}]}, {"hotwords": "x" * 70_000},
    ):  # fmt: skip
        text = json.dumps({"type": "start", "sample_rate": 16000, **changed})
        yield Input("numbers of a microphone", talking(frame(text.encode(), 1)))
    yield Input("depth", talking(frame(b"[" * 100_000, 1)))
    sound = frame(start.encode(), 1) + frame(bytes(900_000), 2) * 8
    for _ in range(4):
        yield Input("big messages", talking(sound))
    yield Input("a message too big", talking(frame(start.encode(), 1) + frame(bytes(9 * _MIB), 2)))
    yield Input("pings", talking(frame(b"p" * 125, 9) * 20_000))
    yield Input(
        "empty fragments", talking(b"\x01\x80" + bytes(4) + (b"\0\x80" + bytes(4)) * 500_000)
    )
    yield Input("no frames", talking(os.urandom(5_000)))


# -- mutations ------------------------------------------------------------------------------------

_PATHS = ("/", "/health", "/system", "/transcribe", "/batch_transcribe", "/jobs/x",
          "/jobs/x/results", "/v1/audio/transcriptions", "/v1/models", "/openapi.json",
          "/gradio_api/run/predict", "/gradio_api/upload", "/file=/etc/passwd",
          "/ui/../../etc/passwd", "/live", "/funasr", "/config", "/metrics", "/%00",
          "/transcribe?format=srt&stream=true", "/jobs/x?only=open",
          "/gradio_api/queue/join", "//etc/passwd", "/assets/x")  # fmt: skip
_PIECES = (b"\0", b"\r\n", b"\n", b"\xff", b"%00", b"../", b"'", b'"', b"{{7*7}}", b": ", b"=",
           b"Content-Length: 5", b"Transfer-Encoding: chunked", b"-1", b"1e308", b"NaN",
           b"9" * 400, b"A" * 5_000, b"--x--", b"filename*=", "会议".encode())  # fmt: skip


def mutated(chance: random.Random, count: int) -> Iterator[Input]:
    """So many ordinary requests and recordings with something wrong in them."""
    recordings = [(EXAMPLES / one["file"]).read_bytes() for one in examples()[:3]]
    for _ in range(max(0, count)):
        seed = chance.random()
        kind = chance.random()
        if kind < 0.2:
            yield _mutated_recording(random.Random(seed), chance.choice(recordings))
        elif kind < 0.25:
            yield _mutated_words_of_funasr(random.Random(seed))
        else:
            yield _mutated_request(random.Random(seed))


def _mutated_request(chance: random.Random) -> Input:
    path, method = chance.choice(_PATHS), chance.choice(("GET", "POST", "DELETE", "PUT", "HEAD"))
    body = wire.form(
        ('name="file"; filename="a.wav"', chance.randbytes(chance.randrange(200))),
        ('name="format"', chance.choice((b"json", b"srt", b"nonsense", b"1"))),
        (
            'name="hotwords"',
            chance.choice((b"", b"x y", b"http://127.0.0.1:1/x", b"/etc/passwd.txt")),
        ),
        ('name="temperature"', chance.choice((b"1", b"NaN", b"1e999", b"-"))),
    )

    def make(target: Target) -> bytes:
        if method in ("POST", "PUT"):
            whole = wire.post(target, path, body)
        else:
            whole = target.head(method, path, "Connection: close")
        return _mutate(chance, whole)

    def send(target: Target) -> str:
        # What is no longer whole is waited for by the service: not here, since that takes its time.
        with contextlib.suppress(OSError), target.connect(_PATIENCE_SECONDS) as connection:
            connection.sendall(make(target))
            return wire.read_answer(connection)[0]
        return "cut"

    return Input(f"mutated {method} {path}", send)


def _mutated_recording(chance: random.Random, recording: bytes) -> Input:
    content = _mutate(chance, recording)
    path = chance.choice(("/transcribe", "/transcribe", "/v1/audio/transcriptions"))
    return upload(f"mutated recording to {path}", path, content)


def _mutated_words_of_funasr(chance: random.Random) -> Input:
    words = _mutate(chance, funasr.said(mode=chance.choice(("offline", "online", "2pass"))))
    sent = frame(words, 1) + frame(bytes(640), 2) + frame(funasr.END, 1)
    return Input("mutated words of FunASR's protocol", talking(sent, funasr.ROUTE))


def _mutate(chance: random.Random, whole: bytes) -> bytes:
    changed = bytearray(whole)
    for _ in range(chance.randrange(1, 6)):
        at = chance.randrange(len(changed) + 1)
        kind = chance.randrange(4)
        if kind == 0:
            changed[at:at] = chance.choice(_PIECES)
        elif kind == 1:
            del changed[at : at + chance.randrange(1, 40)]
        elif kind == 2 and at < len(changed):
            changed[at] = chance.randrange(256)
        else:
            changed[at:at] = changed[at : at + chance.randrange(1, 60)]
    return bytes(changed)
