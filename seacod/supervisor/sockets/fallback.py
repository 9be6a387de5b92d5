"""Answers 503 on the listening sockets while no worker serves them.

So that nobody's connection is refused or left hanging during a start or a restart: a clear
answer with Retry-After, JSON for programs, a page that reloads itself for people. Only who asks
whether the service lives (/health/live) is told that it does: whoever would restart it for want of
a worker would only be in the way. Opened and closed by `lifecycle.py`; knows nothing of workers.
"""

from __future__ import annotations

import asyncio
import contextlib
import html
import json
import socket
from collections.abc import Callable, Iterator, Sequence
from importlib import resources

from seacod.pause import Pause
from seacod.supervisor.sockets.listener import Listener
from seacod.system.net.acceptor import Acceptor
from seacod.system.net.answer_headers import ANSWER_HEADERS
from seacod.system.net.connections import Connections, most_connections
from seacod.system.text.words import NOTHING, Words

_HEAD_LIMIT_BYTES = 16 * 1024
_HEAD_TIMEOUT_SECONDS = 5.0
# How long a client that is still uploading is listened to after it has been answered. Closing
# at once would send RST, and the client would never see the answer.
_LINGER_SECONDS = 15.0
_MAX_CONNECTIONS = 512
_LIVE = "/health/live"

_HEADERS = "".join(f"{name}: {value}\r\n" for name, value in ANSWER_HEADERS)

_REASONS = {
    "starting": ("The model is loading.", "正在加载模型。"),
    "restarting": (
        "The recognition process ended and is being started again.",
        "识别进程已退出，正在重新启动。",
    ),
    "crash_looping": (
        "The recognition process keeps failing; it is tried again every few minutes. The operator "
        "has been told in the service's log.",
        "识别进程反复失败，每隔几分钟重试一次；原因已写入服务日志，请联系管理员。",
    ),
    "replacing": ("The service is taking over new settings.", "服务正在应用新的配置。"),
    "stopping": ("The service is being stopped.", "服务正在停止。"),
}

# Those in which a model is on its way.
_LOADS = ("starting", "restarting")


class Fallback:
    """The supervisor's own answer on the listening sockets.

    Args:
        listeners: the listening sockets. They are never closed here.
        on_answer: called once for each connection that was told to come again.
        progress: what a start is at; empty where nothing is known of it.
    """

    def __init__(
        self,
        listeners: Sequence[Listener],
        on_answer: Callable[[], None],
        progress: Callable[[], Words] = lambda: NOTHING,
    ) -> None:
        # Whoever dawdles makes room for who comes.
        self._connections = Connections(most_connections(_MAX_CONNECTIONS), _MAX_CONNECTIONS)
        exhausted = self._connections.exhausted
        # By whether systemd keeps the socket when we are gone.
        self._acceptors = [
            (one.is_kept, Acceptor(one.socket, self._answer, on_exhausted=exhausted))
            for one in listeners
        ]
        self._on_answer = on_answer
        self._progress = progress
        self._reason = "starting"
        self._pause: Pause | None = None
        self._template = (
            resources.files("seacod.supervisor.sockets").joinpath("waiting.html").read_text("utf-8")
        )

    def open(self, reason: str, retry_after_seconds: Callable[[], int]) -> None:
        """Start (or go on) answering.

        Args:
            reason: one of the known ones.
            retry_after_seconds: asked for each answer: when a worker may be back.
        """
        self._reason = reason
        self._retry_after_seconds = retry_after_seconds
        for is_kept, acceptor in self._acceptors:
            if reason == "stopping" and is_kept:
                # What arrives now waits there for the next start, if this is a restart.
                acceptor.close()
            else:
                acceptor.start()

    def paused(self, pause: Pause | None) -> None:
        """While nothing new is taken, that is the reason that people are told."""
        self._pause = pause

    def close(self) -> None:
        """Stop accepting; connections already accepted are answered to the end."""
        for _, acceptor in self._acceptors:
            acceptor.close()

    @contextlib.contextmanager
    def suspended(self) -> Iterator[None]:
        """Accept nothing during the block, in which a socket is put in place of another."""
        accepting = [acceptor for _, acceptor in self._acceptors if acceptor.is_on]
        self.close()
        try:
            yield
        finally:
            for acceptor in accepting:
                acceptor.start()

    async def finish(self) -> None:
        """Stop accepting and break off the answers under way (for the service's end)."""
        for _, acceptor in self._acceptors:
            await acceptor.abort()

    async def _answer(self, connection: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        task = asyncio.current_task()

        def make_room() -> None:
            if task is not None:
                task.cancel()

        place = self._connections.come(_address(connection), make_room)
        if place is None:
            connection.close()
            return
        try:
            head = await asyncio.wait_for(_read_head(loop, connection), _HEAD_TIMEOUT_SECONDS)
            if not head:
                return
            place.busy()
            await asyncio.wait_for(
                loop.sock_sendall(connection, self._response(head)), _HEAD_TIMEOUT_SECONDS
            )
            connection.shutdown(socket.SHUT_WR)
            place.idle()
            await asyncio.wait_for(_read_to_end(loop, connection), _LINGER_SECONDS)
        except (OSError, asyncio.TimeoutError):
            # The client went away or dawdles: nothing is owed to it.
            pass
        finally:
            place.leave()
            connection.close()

    def _response(self, head: bytes) -> bytes:
        """The whole answer to a request head."""
        lines = head.decode("latin-1").split("\r\n")
        method, target, *_ = [*lines[0].split(" "), ""]
        if target.partition("?")[0] == _LIVE:
            return _whole("200 OK", "application/json", b'{"status":"ok"}', method)
        self._on_answer()
        headers = {
            name.strip().lower(): value.strip()
            for name, _, value in (line.partition(":") for line in lines[1:])
        }
        retry = max(1, self._retry_after_seconds())
        english, chinese = _REASONS[self._reason]
        if (progress := self._progress()) != NOTHING and self._reason in _LOADS:
            # Whoever waits for minutes sees that something goes on.
            english = f"{english.removesuffix('.')} ({progress[0]})."
            chinese = f"{chinese.removesuffix('。')}（{progress[1]}）。"
        if self._pause is not None and self._pause.reason:
            # Why it is away is known: whatever the operator does to it.
            english = f"{english} The service is paused: {self._pause.reason}."
            chinese = f"{chinese}服务已暂停：{self._pause.reason}。"
        is_chinese = headers.get("accept-language", "").lower().startswith("zh")
        if method in ("GET", "HEAD") and "text/html" in headers.get("accept", ""):
            kind = "text/html; charset=utf-8"
            body = self._page(chinese if is_chinese else english, is_chinese, retry)
        else:
            kind = "application/json"
            body = json.dumps(
                {
                    "status": self._reason,
                    "error": {
                        "code": "not_ready",
                        "message": f"{english} Try again in {retry} s.",
                        "message_zh": f"{chinese}请在 {retry} 秒后重试。",
                        "retry_after_seconds": retry,
                    },
                },
                ensure_ascii=False,
            ).encode()
        return _whole("503 Service Unavailable", kind, body, method, f"Retry-After: {retry}\r\n")

    def _page(self, reason: str, is_chinese: bool, retry: int) -> bytes:
        texts = {
            "language": "zh-CN" if is_chinese else "en",
            "retry": str(retry),
            "title": "语音识别即将恢复"
            if is_chinese
            else "Speech recognition will be back shortly",
            "reason": reason,
            "hint": f"本页每 {min(retry, 5)} 秒自动刷新，无需操作。"
            if is_chinese
            else f"This page reloads itself every {min(retry, 5)} s; there is nothing to do.",
            "refresh": str(min(retry, 5)),
        }
        page = self._template
        for name, text in texts.items():
            page = page.replace("{{" + name + "}}", html.escape(text))
        return page.encode()


def _whole(status: str, kind: str, body: bytes, method: str, more: str = "") -> bytes:
    head = (
        f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n"
        f"{more}Cache-Control: no-store\r\n{_HEADERS}Connection: close\r\n\r\n"
    )
    return head.encode() + (b"" if method == "HEAD" else body)


def _address(connection: socket.socket) -> str:
    try:
        return str(connection.getpeername()[0])
    except (OSError, IndexError):
        return ""


async def _read_head(loop: asyncio.AbstractEventLoop, connection: socket.socket) -> bytes:
    """The request up to the empty line; empty when the client said nothing."""
    head = b""
    while b"\r\n\r\n" not in head and len(head) < _HEAD_LIMIT_BYTES:
        chunk = await loop.sock_recv(connection, 4096)
        if not chunk:
            break
        head += chunk
    return head.partition(b"\r\n\r\n")[0]


async def _read_to_end(loop: asyncio.AbstractEventLoop, connection: socket.socket) -> None:
    while await loop.sock_recv(connection, 256 * 1024):
        pass
