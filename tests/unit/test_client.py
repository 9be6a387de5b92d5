"""The client of our own API against a server that says what it is told to: busy, cut, silent, no
seacod at all. The same by both clients. Against the real service: tests/worker/test_docs_api.py,
`seacod bench live` and `seacod soak`."""

from __future__ import annotations

import asyncio
import json
import re
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from supervised import free_port
from websockets.asyncio.server import ServerConnection
from websockets.asyncio.server import serve as serve_websocket

from seacod.client import (
    NEVER,
    AsyncClient,
    BrokenOff,
    Busy,
    Client,
    FromUrl,
    NoSeacod,
    Refused,
    RetryPolicy,
    Unreachable,
)
from seacod.client.answers import Progress
from seacod.client.failures import RequestAttempts
from seacod.client.live import Done, Final, LiveEvent, Partial
from seacod.errors import BadRequest, SeacodError
from seacod.formats import full_json
from seacod.transcript import HotwordReport, Segment, Token, Transcript, TranscriptWarning

QUICK = RetryPolicy(pause_seconds=0.0, longest_pause_seconds=0.0)
# U+2028 ends a line for some readers; it does not end one of a stream.
HEARD = Transcript(
    "今天\u2028天气", (Segment(0.1, 1.0, "今天", 0.5, (Token("今", 0.1, 0.5, 0.4),)),),
    2.0, 0.5, 0.25, 0.5, "builtin", "cpu", (HotwordReport("欣悦", "not_heard"),),
    (TranscriptWarning("quiet", "quiet", "轻"),), speech_seconds=1.5, unheard=((1.0, 2.0),),
)  # fmt: skip
BUSY = {"error": {"code": "queue_full", "message": "full", "message_zh": "满",
                  "retry_after_seconds": 7}}  # fmt: skip
TOO_LONG = {"error": {"code": "too_long", "message": "too long", "message_zh": "太长"}}


def answer(status: int, body: Any, *headers: str) -> bytes:
    content = body.encode() if isinstance(body, str) else json.dumps(body).encode()
    lines = [f"HTTP/1.1 {status} x", f"Content-Length: {len(content)}", "Connection: close"]
    return "\r\n".join([*lines, *headers, "", ""]).encode() + content


def stream(*events: tuple[str, Any]) -> bytes:
    """Server-sent events as the service writes them."""
    return answer(
        200,
        ": still here\n\n"
        + "".join(
            f"event: {name}\ndata: {json.dumps(body, ensure_ascii=False)}\n\n"
            for name, body in events
        ),
    )


DONE = ("done", {**full_json.body(HEARD), "request_id": "x"})
PROGRESS = (
    "progress",
    {"stage": "recognising", "segments_done": 1, "segments_total": 0, "queue_position": 0,
     "share": 0.5},
)  # fmt: skip


class Script:
    """A server that answers each request with the next of these; None cuts the connection."""

    def __init__(self) -> None:
        self.answers: list[bytes | None] = []
        self.requests: list[bytes] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._thread = threading.Thread(target=self._serve, name="script")
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with connection:
                request = b""
                while b"\r\n\r\n" not in request or not self._is_whole(request):
                    if not (chunk := connection.recv(65536)):
                        break
                    request += chunk
                self.requests.append(request)
                told = self.answers.pop(0) if self.answers else None
                if told is not None:
                    connection.sendall(told)

    @staticmethod
    def _is_whole(request: bytes) -> bool:
        head, _, body = request.partition(b"\r\n\r\n")
        for line in head.lower().splitlines():
            if line.startswith(b"content-length:"):
                return len(body) >= int(line.split(b":")[1])
        return b"chunked" not in head.lower() or body.endswith(b"0\r\n\r\n")

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()


@pytest.fixture
def script() -> Iterator[Script]:
    one = Script()
    yield one
    one.close()


Ask = Callable[..., Any]


@pytest.fixture(params=["sync", "async"])
def ask(request: pytest.FixtureRequest, script: Script) -> Ask:
    """Calls a method of a client, by its name."""

    async def by_loop(name: str, *given: Any, retry: RetryPolicy, **more: Any) -> Any:
        async with AsyncClient(script.url, "key", retry=retry) as client:
            return await getattr(client, name)(*given, **more)

    def call(name: str, *given: Any, retry: RetryPolicy = NEVER, **more: Any) -> Any:
        if request.param == "async":
            return asyncio.run(by_loop(name, *given, retry=retry, **more))
        with Client(script.url, "key", retry=retry) as client:
            return getattr(client, name)(*given, **more)

    return call


def test_a_transcript_comes_back_as_it_was(script: Script, ask: Ask) -> None:
    script.answers = [stream(PROGRESS, ("segments", {"segments": []}), DONE)]
    told: list[Progress] = []
    assert ask("transcribe", ("a.wav", b"sound"), hotwords="欣悦", tell=told.append) == HEARD
    assert told == [Progress("recognising", 0.5, 0)]
    (request,) = script.requests
    assert request.startswith(b"POST /transcribe?stream=true&format=json HTTP/1.1\r\n")
    assert b"Authorization: Bearer key\r\n" in request
    assert b'filename="a.wav"' in request
    assert "欣悦".encode() in request


def test_who_is_told_to_come_back_comes_back(script: Script, ask: Ask) -> None:
    script.answers = [answer(503, BUSY), stream(("error", {"error": {
        **BUSY["error"], "status": 503}})), stream(DONE)]  # fmt: skip
    assert ask("transcribe", ("a", b"x"), retry=QUICK) == HEARD
    assert len(script.requests) == 3
    # Without patience the first refusal is raised, with the service's sentence.
    script.answers = [answer(503, BUSY)]
    with pytest.raises(Busy, match="^full$") as busy:
        ask("transcribe", ("a", b"x"))
    assert (busy.value.retry_after_seconds, busy.value.reason) == (7, "queue_full")
    assert busy.value.sentence("zh_CN") == "满"
    # A load balancer has its own words for it.
    script.answers = [answer(503, "<h1>no server</h1>", "Retry-After: 3")]
    with pytest.raises(Busy, match="answered 503: <h1>") as busy:
        ask("system")
    assert busy.value.retry_after_seconds == 3


def test_what_breaks_off_is_sent_again_but_not_for_ever(script: Script, ask: Ask) -> None:
    script.answers = [None, stream(PROGRESS), stream(DONE)]
    assert ask("transcribe", ("a", b"x"), retry=QUICK) == HEARD
    script.requests.clear()
    with pytest.raises(BrokenOff, match="broke off 3 times"):
        ask("transcribe", ("a", b"x"), retry=QUICK)
    assert len(script.requests) == 3


def test_a_batch_that_broke_off_is_sent_again_under_its_key(script: Script, ask: Ask) -> None:
    """Whether it was accepted nobody knows; the key makes it one job."""
    accepted = answer(202, {"job": "j", "files": 1})
    script.answers = [None, accepted, accepted, accepted]
    assert ask("submit", [("a", b"x")], retry=QUICK) == "j"
    assert ask("submit", [("a", b"x")]) == "j"
    callback = {"idempotency_key": "mine", "callback_url": "https://x.example/"}
    assert ask("submit", [FromUrl("https://y.example/a.wav")], **callback) == "j"
    keys = [re.search(rb"(?i)idempotency-key: (\S+)", one) for one in script.requests]
    first, again, other, mine = (found[1] if found else b"" for found in keys)
    assert len(first) == 32
    assert first == again != other
    assert mine == b"mine"
    last = script.requests[-1]
    assert b'name="url"' in last
    assert b"https://y.example/a.wav" in last
    assert b'name="callback_url"' in last
    assert b"multipart/form-data" in last


def test_a_refusal_is_final(script: Script, ask: Ask) -> None:
    script.answers = [answer(413, TOO_LONG)]
    with pytest.raises(Refused, match="^too long$") as refused:
        ask("transcribe", ("a", b"x"), retry=QUICK)
    assert (refused.value.status, refused.value.reason) == (413, "too_long")
    assert len(script.requests) == 1


@pytest.mark.parametrize("body", ["<html>", "[]", "{}", '{"model": 1}', "\xff"])
def test_what_is_no_seacod_is_told_as_such(script: Script, ask: Ask, body: str) -> None:
    script.answers = [answer(200, body)]
    with pytest.raises(NoSeacod):
        ask("system", retry=QUICK)


def test_batches(script: Script, ask: Ask) -> None:
    job = {
        "job": "j", "state": "running", "created": 1.0, "finished": None, "progress": 0.5,
        "counts": {"done": 1, "failed": 1},
        "files": [
            {"number": 1, "name": "a", "state": "done", "progress": 1.0, "audio_seconds": 2.0,
             "error": None},
            {"number": 2, "name": "b", "state": "failed", "progress": 1.0, "audio_seconds": None,
             "error": {"code": "bad_audio", "message": "no sound", "message_zh": "x"}},
        ],
    }  # fmt: skip
    script.answers = [answer(202, {"job": "j", "files": 2}), answer(200, job), answer(200, "zip")]
    assert ask("submit", [("a", b"x"), ("b", b"y")]) == "j"
    told = ask("job", "j")
    assert not told.is_over
    assert [(one.error or {}).get("code") for one in told.files] == [None, "bad_audio"]
    assert ask("results", "j") == b"zip"
    assert script.requests[0].count(b'name="files"') == 2


def test_nobody_there_and_an_address_that_is_none() -> None:
    with Client(f"http://127.0.0.1:{free_port()}", retry=QUICK) as client:
        with pytest.raises(Unreachable, match="no seacod answers at http://127"):
            client.system()
    with pytest.raises(BadRequest, match="must begin with http"):
        Client("example.com")


def test_a_silent_service_is_not_waited_for_for_ever() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with Client(url, retry=NEVER, silence_seconds=0.05) as client:
            with pytest.raises(BrokenOff, match="timed out"):
                client.get("/")


def test_a_policy_gives_up_when_its_patience_is_over() -> None:
    busy = Busy("full", "满", 503, "", 20)
    assert RequestAttempts(RetryPolicy(900)).pause_after(busy) == 20
    assert RequestAttempts(RetryPolicy(900, longest_pause_seconds=3)).pause_after(busy) == 3
    with pytest.raises(Busy):
        RequestAttempts(RetryPolicy(10)).pause_after(busy)
    waiting = RequestAttempts(RetryPolicy(900, waits_for_start=True, pause_seconds=1))
    assert waiting.pause_after(Unreachable("u", ("refused", "拒绝"))) == 1
    for other in (
        Unreachable("u", ("refused", "拒绝")),
        Refused("no", "不", 400),
        NoSeacod("x", "x"),
    ):
        with pytest.raises(SeacodError) as raised:
            RequestAttempts(RetryPolicy()).pause_after(other)
        assert raised.value is other


def spoken(*messages: dict[str, Any] | int) -> list[LiveEvent]:
    """What a client hears of a service that says this; a number closes the connection."""

    async def serve(connection: ServerConnection) -> None:
        start = json.loads(await connection.recv())
        assert start == {"type": "start", "sample_rate": 8000, "hotwords": "欣悦"}
        for message in messages:
            if isinstance(message, int):
                await connection.close(message)
                return
            await connection.send(json.dumps(message))
        assert await connection.recv() == b"\x00\x01"
        assert json.loads(await connection.recv()) == {"type": "stop"}

    async def speak() -> list[LiveEvent]:
        async with serve_websocket(serve, "127.0.0.1", 0) as server:
            port = next(iter(server.sockets)).getsockname()[1]
            async with AsyncClient(f"http://127.0.0.1:{port}") as client:
                async with client.live(8000, hotwords="欣悦") as session:
                    await session.send(b"\x00\x01")
                    await session.stop()
                    return [event async for event in session]

    return asyncio.run(speak())


def test_a_microphone_hears_until_all_is_said_and_what_ends_it_is_told() -> None:
    ready, guess = {"type": "ready"}, {"type": "partial", "text": "今"}
    final = {"type": "final", "segments": full_json.body(HEARD)["segments"], "settled_seconds": 2.0}
    done = {"type": "done", **full_json.body(HEARD), "limit_reached": False}
    assert spoken(ready, guess, final, done) == [
        Partial("今"), Final(HEARD.segments, 2.0), Done(HEARD, False),
    ]  # fmt: skip
    with pytest.raises(BrokenOff, match="1012"):
        spoken(ready, guess, 1012)
    with pytest.raises(Busy, match="^full$"):
        spoken({"type": "error", "error": {**BUSY["error"], "status": 503}}, 1008)
    with pytest.raises(NoSeacod):
        spoken({"hello": 1}, 1000)


def test_certificates_are_loaded_only_where_one_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    """It takes longer than a request."""
    loaded: list[object] = []
    real = ssl.create_default_context

    def counted(*given: Any, **options: Any) -> ssl.SSLContext:
        loaded.append(given)
        return real(*given, **options)

    monkeypatch.setattr(ssl, "create_default_context", counted)
    for url, times in (("http://127.0.0.1:1", 0), ("unix:/nowhere", 0), ("https://127.0.0.1:1", 1)):
        loaded.clear()
        with pytest.raises(Unreachable), Client(url, retry=NEVER) as client:
            client.transcribe(("a.wav", b""))
        assert len(loaded) == times, url
