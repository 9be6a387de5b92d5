"""The supervisor's own answer, on a real socket: what it says, to whom, and how long it listens."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Awaitable, Callable

import pytest

from seacod.pause import Pause
from seacod.supervisor.sockets import fallback as module
from seacod.supervisor.sockets.binding import Named, bind
from seacod.supervisor.sockets.fallback import Fallback
from seacod.supervisor.sockets.listener import Listener
from seacod.supervisor.sockets.shared_fallback import SharedFallback
from seacod.system.net.listen_address import ListenAddress

Wire = Callable[[bytes], Awaitable[bytes]]


def answered(test: Callable[[Fallback, Wire], Awaitable[None]], *, is_kept: bool = False) -> None:
    """Run a test against a fallback that is open for a start of seven seconds."""

    async def run() -> None:
        address = ListenAddress("127.0.0.1", 0)
        listener = Listener(bind(address, Named("server.host", "server.port")), is_kept)
        fallback = Fallback([listener], lambda: None)
        fallback.open("starting", lambda: 7)

        async def wire(sent: bytes) -> bytes:
            # All is sent before anything is read, as simple clients do.
            loop, answer = asyncio.get_running_loop(), b""
            with socket.socket() as client:
                client.setblocking(False)
                await loop.sock_connect(client, ("127.0.0.1", listener.port))
                await asyncio.wait_for(loop.sock_sendall(client, sent), 30)
                while part := await asyncio.wait_for(loop.sock_recv(client, 65536), 30):
                    answer += part
            return answer

        try:
            await test(fallback, wire)
        finally:
            await fallback.finish()
            listener.socket.close()

    asyncio.run(run())


def request(method: str = "GET", **headers: str) -> bytes:
    lines = [f"{method} / HTTP/1.1", "Host: x", *(f"{k}: {v}" for k, v in headers.items())]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def test_a_program_is_told_in_both_languages_when_to_come_back() -> None:
    async def test(fallback: Fallback, wire: Wire) -> None:
        head, _, body = (await wire(request("POST"))).partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 503 ")
        assert b"\r\nRetry-After: 7\r\n" in head
        error = json.loads(body)["error"]
        assert (error["code"], error["retry_after_seconds"]) == ("not_ready", 7)
        assert error["message"].endswith("Try again in 7 s.")
        assert "7 秒" in error["message_zh"]

    answered(test)


@pytest.mark.parametrize(
    ("language", "words"),
    [("zh-CN,zh;q=0.9", "语音识别即将恢复"), ("en", "Speech recognition will be back")],
)
def test_a_person_gets_a_page_in_the_browsers_language(language: str, words: str) -> None:
    async def test(fallback: Fallback, wire: Wire) -> None:
        page = await wire(request(Accept="text/html", **{"Accept-Language": language}))
        assert words in page.decode()

    answered(test)


def test_why_it_is_paused_is_said_and_is_no_html() -> None:
    async def test(fallback: Fallback, wire: Wire) -> None:
        fallback.paused(Pause("<b>new</b> disk", 1000.0, 60))
        page = (await wire(request(Accept="text/html"))).decode()
        assert "The service is paused: &lt;b&gt;new&lt;/b&gt; disk." in page
        assert "<b>new" not in page
        fallback.paused(None)
        assert "paused" not in (await wire(request(Accept="text/html"))).decode()

    answered(test)


def test_whoever_still_uploads_can_read_the_answer_afterwards() -> None:
    async def test(_fallback: Fallback, wire: Wire) -> None:
        # More than the kernel keeps: hung up on, who sends it would hear of that alone.
        body = bytes(16 << 20)
        answer = await wire(request("POST", **{"Content-Length": str(len(body))}) + body)
        assert answer.startswith(b"HTTP/1.1 503 ")

    answered(test)


def test_a_head_is_answered_without_a_body() -> None:
    async def test(fallback: Fallback, wire: Wire) -> None:
        head, _, body = (await wire(request("HEAD"))).partition(b"\r\n\r\n")
        assert b"Retry-After: 7" in head
        assert body == b""

    answered(test)


def test_a_head_that_does_not_come_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_HEAD_TIMEOUT_SECONDS", 0.2)

    async def test(fallback: Fallback, wire: Wire) -> None:
        assert await wire(b"GET / HT") == b""

    answered(test)


def test_a_head_without_an_end_is_answered_at_its_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_HEAD_TIMEOUT_SECONDS", 20.0)
    monkeypatch.setattr(module, "_LINGER_SECONDS", 0.1)

    async def test(fallback: Fallback, wire: Wire) -> None:
        sent = b"GET / HTTP/1.1\r\nX: " + b"x" * module._HEAD_LIMIT_BYTES
        assert (await asyncio.wait_for(wire(sent), 15)).startswith(b"HTTP/1.1 503 ")

    answered(test)


@pytest.mark.parametrize("is_kept", [True, False])
def test_a_socket_that_systemd_keeps_is_left_to_the_next_start(*, is_kept: bool) -> None:
    async def test(fallback: Fallback, wire: Wire) -> None:
        fallback.open("stopping", lambda: 1)
        if not is_kept:
            assert b'"stopping"' in await wire(request("POST"))
            return
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(wire(request()), 0.3)

    answered(test, is_kept=is_kept)


def test_of_several_workers_the_one_that_is_back_first_is_told() -> None:
    asked: list[Callable[[], int]] = []

    class Answers:
        def open(self, reason: str, retry_after_seconds: Callable[[], int]) -> None:
            asked.append(retry_after_seconds)

        def close(self) -> None: ...

    shared = SharedFallback(Answers(), 2)
    one, two = shared.switch(0, lambda: 9), shared.switch(1, lambda: 4)
    one.open("restarting")
    assert asked == [], "the other one serves"
    two.open("restarting")
    assert asked[0]() == 4
