"""uvicorn on sockets of ours: its protocol and lifespan, our accepting and our signals."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Iterator
from typing import Any

import structlog
import uvicorn
from starlette.types import ASGIApp

from seacod.system.acceptor import Acceptor, unix_socket
from seacod.worker.neighbours import Neighbours

log = structlog.get_logger(__name__)

# The sentences of a recording of some hours, sent along when a microphone comes back.
_MAX_WEBSOCKET_MESSAGE_BYTES = 8 << 20


class Server(uvicorn.Server):
    """uvicorn without its listening and its signal handlers.

    Args:
        app: answers the requests.
        listening: the shared socket, which stays open when the server ends.
        neighbours: the workers that accept on it, too; None when there are none.
    """

    def __init__(
        self, app: ASGIApp, listening: socket.socket, neighbours: Neighbours | None
    ) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                log_config=None,
                access_log=False,
                lifespan="on",
                timeout_keep_alive=30,
                timeout_graceful_shutdown=1,
                server_header=False,
                # Sound does not get smaller by it.
                ws_per_message_deflate=False,
                ws_max_size=_MAX_WEBSOCKET_MESSAGE_BYTES,
            )
        )
        self._listening = listening
        self._neighbours = neighbours
        self._own_socket: socket.socket | None = None
        self._acceptors: list[Acceptor] = []
        self._is_stopped = False

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals to the worker."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        # None of uvicorn's own: it would accept whole bursts, and lose some at its end.
        await super().startup(sockets=[])
        if self.should_exit:
            return
        if self._neighbours is None:
            self._acceptors = [Acceptor(self._listening, self._connect)]
        else:
            self._own_socket = unix_socket(self._neighbours.own_socket)
            shared = Acceptor(
                self._listening,
                self._connect,
                is_crowded=self._neighbours.are_present,
                is_my_turn=self._neighbours.is_my_turn,
            )
            self._acceptors = [shared, Acceptor(self._own_socket, self._connect)]
        if not self._is_stopped:
            for acceptor in self._acceptors:
                acceptor.start()

    async def stop_accepting(self) -> None:
        """Accept no more; what was accepted is served, and the neighbours go on accepting."""
        # The drain may come before the start-up is through.
        self._is_stopped = True
        if self._neighbours is not None:
            self._neighbours.leave()
        for acceptor in self._acceptors:
            await acceptor.stop()
        if self._own_socket is not None and self._neighbours is not None:
            self._own_socket.close()
            self._neighbours.own_socket.unlink(missing_ok=True)

    async def _connect(self, connection: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        try:
            await loop.connect_accepted_socket(self._protocol, connection)
        except OSError as error:
            log.info("connection_lost_at_once", error=str(error))
            connection.close()

    def _protocol(self) -> Any:
        return self.config.http_protocol_class(  # type: ignore[call-arg]
            config=self.config, server_state=self.server_state, app_state=self.lifespan.state
        )
