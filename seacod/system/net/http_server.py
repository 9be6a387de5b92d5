"""uvicorn on sockets of ours, with limits that it has not: how long a head, a body and a reader may
take, how many are connected, how much may come that is no message.

Used by the worker's server and by the metrics page. The parser is h11 on purpose: it refuses what
is ambiguous, and has a limit for heads. What is sent as answer is the application's.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import json
import logging
import secrets
import socket
import ssl
from collections.abc import Callable, Iterator
from http import HTTPStatus
from typing import Any

import h11
import structlog
import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from seacod.system.net.absolute_target import taking_whole_addresses
from seacod.system.net.acceptor import Acceptor
from seacod.system.net.addresses import UNIX
from seacod.system.net.answer_headers import ANSWER_HEADERS, with_answer_headers
from seacod.system.net.connections import Connections, OpenConnection
from seacod.system.net.error_shape import RETRY_SECONDS, error_body
from seacod.system.net.hearing_out import hearing_out
from seacod.system.text.words import Words

log = structlog.get_logger(__name__)

# From the first byte of a connection, or of the next request on it, to the end of the head.
HEAD_SECONDS = 10.0
_HEAD_BYTES = 32 * 1024
_HEAD_STEP_BYTES = 4 * 1024
# A body comes at this rate at least, seen over this time; not while we are the slow ones.
_BODY_BYTES_A_SECOND = 1024
_BODY_LOOK_SECONDS = 30.0
# Whoever takes nothing of an answer for so long has gone.
_WRITE_SECONDS = 120.0
_KEEP_ALIVE_SECONDS = 30
_LINGER_SECONDS = 2.0
# Chunks of a few bytes cost more than what is in them: so many lines may come in a body, and one
# more for each so many bytes.
_SPARE_LINES = 8192
_BYTES_A_LINE = 512
# A page of somebody who answers no ping would fill memory with the answers to his.
_UNREAD_BYTES = 256 * 1024
# Strangers' mistakes are not for the log: uvicorn warns of each.
_quiet = logging.getLogger("seacod.http")
_quiet.setLevel(logging.ERROR)

_HEADERS = "".join(f"{name}: {value}\r\n" for name, value in ANSWER_HEADERS)
_FULL = "too many connections are open; try again in a few seconds", "连接数已达上限，请几秒后重试"
_MALFORMED = (
    f"this is no HTTP request: its head is malformed, ambiguous or longer than {_HEAD_BYTES} bytes",
    f"不是有效的 HTTP 请求：请求头格式有误、有歧义或超过 {_HEAD_BYTES} 字节",
)
_CRUMBS = "the body comes in chunks of a few bytes", "请求体的每个分块只有几个字节"
_LATE_HEAD = (
    f"the head of the request took longer than {HEAD_SECONDS:.0f} s",
    f"请求头在 {HEAD_SECONDS:.0f} 秒内没有到齐",
)
_SLOW_BODY = (
    f"the body of the request comes at less than {_BODY_BYTES_A_SECOND} bytes a second",
    f"请求体的传输速度低于每秒 {_BODY_BYTES_A_SECOND} 字节",
)


class _GivesUpOnReaders(asyncio.Protocol):
    """Whoever takes nothing of what is sent for too long has gone."""

    transport: asyncio.Transport
    loop: asyncio.AbstractEventLoop
    _write_timer: asyncio.TimerHandle | None = None

    def pause_writing(self) -> None:
        super().pause_writing()
        if self._write_timer is None:
            self._write_timer = self.loop.call_later(_WRITE_SECONDS, self.transport.abort)

    def resume_writing(self) -> None:
        super().resume_writing()
        self._stop_write_timer()

    def _stop_write_timer(self) -> None:
        if self._write_timer is not None:
            self._write_timer.cancel()
            self._write_timer = None


class BoundedHttp(_GivesUpOnReaders, H11Protocol):
    """One connection over HTTP.

    Args:
        connections: where it takes its place.
        websocket: what it becomes when a WebSocket is asked for; None for never.
        place: the one it has already; None where it takes one when it is made.
        others: of uvicorn's.
    """

    def __init__(
        self,
        *,
        connections: Connections,
        websocket: Callable[..., asyncio.Protocol] | None = None,
        place: OpenConnection | None = None,
        **others: Any,
    ) -> None:
        super().__init__(**others)
        self.logger = _quiet
        self.ws_protocol_class = None
        self._websocket = websocket
        self._connections = connections
        self._place = place
        self._timer: asyncio.TimerHandle | None = None
        self._received = self._received_before = self._lines = 0
        # Answered past uvicorn, and about to be closed.
        self._is_over = False
        self.has_begun = False

    # -- asyncio.Protocol ---------------------------------------------------------------------

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.client = self.client or (UNIX, 0)
        self.has_begun = True
        if self._place is not None:
            self._place.close = self._make_room
        else:
            address = "" if self.client[0] == UNIX else self.client[0]
            self._place = self._connections.come(address, self._make_room)
        if self._place is None:
            self._say(503, "too_many_connections", _FULL)
            return
        if self._websocket is not None:
            self.ws_protocol_class = functools.partial(  # type: ignore[assignment]
                self._websocket, place=self._place
            )
        self._await_head()

    def data_received(self, data: bytes) -> None:
        at = 0
        while at < len(data) and not self.transport.is_closing() and not self._is_over:
            # h11 looks at the size of a head when it is not complete: so it sees it grow.
            size = len(data) if self._is_answering else _HEAD_STEP_BYTES
            self._take(data[at : at + size])
            at += size

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_timers()
        if self._place is not None:
            self._place.leave()
            self._place = None
        super().connection_lost(exc)

    # -- uvicorn's ----------------------------------------------------------------------------

    def handle_events(self) -> None:
        super().handle_events()
        # A pipelined request begins here, too, with no byte received.
        self._mark()

    def send_400_response(self, msg: str) -> None:
        self._say(400, "bad_request", _MALFORMED)

    def on_response_complete(self) -> None:
        if self._place is not None:
            self._place.idle()
        self._stop_timer()
        super().on_response_complete()

    def handle_websocket_upgrade(self, event: h11.Request) -> None:
        if self._place is not None:
            self._place.busy()
        self._stop_timers()
        self._place = None
        super().handle_websocket_upgrade(event)

    # -- limits -------------------------------------------------------------------------------

    @property
    def _is_answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _take(self, data: bytes) -> None:
        if not self._is_answering and self._timer is None:
            self._await_head()
        self._received += len(data)
        self._lines += data.count(b"\n")
        has_many_lines = self._lines > _SPARE_LINES + self._received // _BYTES_A_LINE
        if has_many_lines and self._is_answering and self._is_chunked():
            self._give_up(400, _CRUMBS)
            return
        super().data_received(data)

    def _is_chunked(self) -> bool:
        return any(name == b"transfer-encoding" for name, _ in self.headers)

    def _mark(self) -> None:
        """Whether a request is being answered now: then it keeps its place, and owes a body."""
        if self._place is None or not self._is_answering or not self._place.is_idle:
            return
        self._place.busy()
        self._received = self._received_before = self._lines = 0
        self._stop_timer()
        if self.cycle.more_body:
            self._timer = self.loop.call_later(_BODY_LOOK_SECONDS, self._look_at_body)

    def _await_head(self) -> None:
        self._stop_timer()
        self._timer = self.loop.call_later(HEAD_SECONDS, self._head_is_late)

    def _head_is_late(self) -> None:
        self._timer = None
        if not self._is_answering:
            self._give_up(408, _LATE_HEAD)

    def _look_at_body(self) -> None:
        self._timer = None
        if not self._is_answering or not self.cycle.more_body:
            return
        came = self._received - self._received_before
        self._received_before = self._received
        if not self.flow.read_paused and came < _BODY_BYTES_A_SECOND * _BODY_LOOK_SECONDS:
            self._give_up(408, _SLOW_BODY)
            return
        self._timer = self.loop.call_later(_BODY_LOOK_SECONDS, self._look_at_body)

    def _make_room(self) -> None:
        """Others need the place."""
        self.transport.close()

    def _give_up(self, status: int, why: Words) -> None:
        log.debug("connection_given_up", why=why[0], client=self.client[0] if self.client else "")
        has_begun = self._is_answering and self.cycle.response_started
        if has_begun or not self._received:
            self.transport.close()
        else:
            self._say(status, "bad_request", why)

    def _say(self, status: int, code: str, why: Words) -> None:
        """Answer, and close; past uvicorn, which has no request to answer or never will have."""
        request_id = secrets.token_hex(8)
        told = error_body(status, code, why, request_id)
        text = json.dumps({"error": told}, ensure_ascii=False).encode()
        phrase = HTTPStatus(status).phrase
        retry = f"Retry-After: {RETRY_SECONDS}\r\n" if "retry_after_seconds" in told else ""
        head = (
            f"HTTP/1.1 {status} {phrase}\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(text)}\r\nX-Request-ID: {request_id}\r\n{retry}{_HEADERS}"
            "Connection: close\r\n\r\n"
        )
        if self._is_answering:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        self.transport.write(head.encode() + text)
        if self._place is None or not self.transport.can_write_eof():
            self.transport.close()
            return
        # Closed at once, a client that still sends would lose the answer.
        self._is_over = True
        self._stop_timers()
        self._place.idle()
        self.flow.resume_reading()
        with contextlib.suppress(OSError):  # the client has gone already
            self.transport.write_eof()
        self._timer = self.loop.call_later(_LINGER_SECONDS, self.transport.close)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _stop_timers(self) -> None:
        self._stop_timer()
        self._stop_write_timer()


class BoundedWebSocket(_GivesUpOnReaders, WebSocketsSansIOProtocol):
    """One WebSocket, on the place of the connection it was.

    Args:
        place: where the connection stands.
        others: of uvicorn's.
    """

    def __init__(self, *, place: OpenConnection, **others: Any) -> None:
        super().__init__(**others)
        self.logger = _quiet
        self._place = place
        self._since_message = 0
        self._heard_at = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.client = self.client or (UNIX, 0)

    def data_received(self, data: bytes) -> None:
        self._heard_at = self.loop.time()
        # Empty fragments and pings: what never becomes a message, and costs memory all the same.
        self._since_message += len(data)
        if self._since_message > 2 * self.config.ws_max_size + _UNREAD_BYTES:
            self.transport.abort()
            return
        super().data_received(data)

    def send_receive_event_to_app(self) -> None:
        self._since_message = 0
        super().send_receive_event_to_app()

    def handle_ping(self) -> None:
        super().handle_ping()
        if self.transport.get_write_buffer_size() > _UNREAD_BYTES:
            self.transport.abort()

    def keepalive_timeout(self) -> None:
        if self.read_paused or self._heard_at > self.ping_sent_at:
            # We are the slow ones: the answer lies behind what he sent before it.
            self.pong_timer = self.pending_ping_payload = None
            self.schedule_ping()
            return
        super().keepalive_timeout()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_write_timer()
        self._place.leave()
        super().connection_lost(exc)


class BoundedServer(uvicorn.Server):
    """uvicorn without its listening and its signal handlers.

    Args:
        app: answers the requests.
        connections: bound how many there are.
        options: of uvicorn's configuration.
    """

    def __init__(self, app: ASGIApp, connections: Connections, **options: Any) -> None:
        super().__init__(
            uvicorn.Config(
                hearing_out(with_answer_headers(taking_whole_addresses(app))),
                http=BoundedHttp,
                log_config=None,
                access_log=False,
                server_header=False,
                timeout_keep_alive=_KEEP_ALIVE_SECONDS,
                h11_max_incomplete_event_size=_HEAD_BYTES,
                # Sound does not get smaller by it, and little becomes a lot.
                ws_per_message_deflate=False,
                **options,
            )
        )
        self.connections = connections

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals to the process."""
        yield

    def acceptor(
        self, listening: socket.socket, tls: ssl.SSLContext | None = None, **options: Any
    ) -> Acceptor:
        """What accepts on a socket for this server.

        Args:
            listening: the socket.
            tls: what encrypts what comes on it; None for nothing.
            options: of `Acceptor`.
        """
        serve = self._connect if tls is None else functools.partial(self._connect_tls, tls)
        return Acceptor(listening, serve, on_exhausted=self.connections.exhausted, **options)

    async def _connect(self, connection: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        try:
            await loop.connect_accepted_socket(self._protocol, connection)
        except OSError as error:
            log.info("connection_lost_at_once", error=str(error))
            connection.close()

    async def _connect_tls(self, tls: ssl.SSLContext, connection: socket.socket) -> None:
        """Whoever is at the handshake has a place already, and loses it to others like anybody who
        has asked for nothing."""
        task = asyncio.current_task()
        assert task is not None
        place = None
        with contextlib.suppress(OSError):
            place = self.connections.come(connection.getpeername()[0], lambda: _cancel(task))
        if place is None:
            connection.close()
            return
        protocol = self._protocol(place)
        try:
            await asyncio.get_running_loop().connect_accepted_socket(
                lambda: protocol, connection, ssl=tls, ssl_handshake_timeout=HEAD_SECONDS
            )
        except OSError as error:
            log.debug("no_handshake", error=str(error))
            connection.close()
        finally:
            if not protocol.has_begun:
                place.leave()

    def _protocol(self, place: OpenConnection | None = None) -> BoundedHttp:
        return BoundedHttp(
            connections=self.connections,
            place=place,
            websocket=BoundedWebSocket if self.config.ws_protocol_class is not None else None,
            config=self.config,
            server_state=self.server_state,
            app_state=self.lifespan.state,
        )


def _cancel(task: asyncio.Task[Any]) -> None:
    task.cancel()
