"""The worker's web server: ours (`system/net/http_server.py`) on the sockets of a worker."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Sequence
from dataclasses import dataclass

from starlette.types import ASGIApp

from seacod.config.server import ServerSettings
from seacod.system.net.acceptor import Acceptor, unix_socket
from seacod.system.net.addresses import AddressSet
from seacod.system.net.connections import Connections, most_connections
from seacod.system.net.http_server import BoundedServer
from seacod.worker.neighbours import Neighbours

# The sentences of a recording of some hours, sent along when a microphone comes back.
_MAX_WEBSOCKET_MESSAGE_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class FunasrSockets:
    """The shared sockets of FunASR's protocol; without `tls` what comes there is not encrypted."""

    listening: Sequence[socket.socket]
    tls: ssl.SSLContext | None


class Server(BoundedServer):
    """
    Args:
        app: answers the requests.
        listening: the shared sockets, which stay open when the server ends.
        neighbours: the workers that accept on them, too; None when there are none.
        settings: how many may be connected, and who may speak for others.
        funasr: other sockets for the same application; None for none.
    """

    def __init__(
        self,
        app: ASGIApp,
        listening: Sequence[socket.socket],
        neighbours: Neighbours | None,
        settings: ServerSettings,
        funasr: FunasrSockets | None = None,
    ) -> None:
        proxies = AddressSet(settings.trusted_proxies)
        super().__init__(
            app,
            Connections(
                most_connections(settings.max_connections),
                settings.max_connections_of_address,
                is_exempt=proxies.__contains__,
            ),
            lifespan="on",
            timeout_graceful_shutdown=1,
            ws_max_size=_MAX_WEBSOCKET_MESSAGE_BYTES,
            # Whoever says by a header who asks, or how, is believed only if it is one of these.
            proxy_headers=bool(proxies),
            forwarded_allow_ips=proxies.texts,
        )
        self._listening = listening
        self._neighbours = neighbours
        self._funasr = funasr
        self._own_socket: socket.socket | None = None
        self._acceptors: list[Acceptor] = []
        self._is_stopped = False

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        # None of uvicorn's own: it would accept whole bursts, and lose some at its end.
        await super().startup(sockets=[])
        if self.should_exit:
            return
        self._acceptors = [self._on_shared(one, None) for one in self._listening]
        if self._funasr is not None:
            tls = self._funasr.tls
            self._acceptors += [self._on_shared(one, tls) for one in self._funasr.listening]
        if self._neighbours is not None:
            self._own_socket = unix_socket(self._neighbours.own_socket)
            self._acceptors.append(self.acceptor(self._own_socket))
        if not self._is_stopped:
            for acceptor in self._acceptors:
                acceptor.start()

    def _on_shared(self, listening: socket.socket, tls: ssl.SSLContext | None) -> Acceptor:
        if self._neighbours is None:
            return self.acceptor(listening, tls)
        return self.acceptor(
            listening,
            tls,
            is_crowded=self._neighbours.are_present,
            is_my_turn=self._neighbours.is_my_turn,
        )

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
