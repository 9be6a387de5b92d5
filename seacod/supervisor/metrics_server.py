"""Serves `/metrics`: the supervisor's own values and the worker's, read from its files.

Answers in every state of the worker, since it never asks it anything.
"""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from seacod import OWN_AGENT
from seacod.metrics import SupervisorMetrics
from seacod.supervisor.sockets.listener import Listener
from seacod.system.net.connections import Connections, most_connections
from seacod.system.net.http_server import BoundedServer

# Few ask for metrics; who holds more connections than that has no good reason.
_MAX_CONNECTIONS = 64


class _MetricsHttpServer(BoundedServer):
    """Without uvicorn's ten wake-ups a second, which were a fifth of what an idle supervisor
    cost."""

    def __init__(self, app: Starlette, listening: Sequence[socket.socket]) -> None:
        super().__init__(
            app,
            Connections(most_connections(_MAX_CONNECTIONS), _MAX_CONNECTIONS),
            lifespan="off",
            ws="none",
            date_header=False,
        )
        self._is_stopped = asyncio.Event()
        self._acceptors = [self.acceptor(one) for one in listening]

    def stop(self) -> None:
        self.should_exit = True
        self._is_stopped.set()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=[])
        for acceptor in self._acceptors:
            acceptor.start()

    async def main_loop(self) -> None:
        await self._is_stopped.wait()
        for acceptor in self._acceptors:
            await acceptor.stop()


class MetricsServer:
    """The metrics page on sockets of its own.

    Args:
        listeners: where it is served; one at least.
        metrics: what is shown.
        look: brings the figures up to the moment; called on the event loop before each scrape.
    """

    def __init__(
        self,
        listeners: Sequence[Listener],
        metrics: SupervisorMetrics,
        look: Callable[[], None],
    ) -> None:
        self._look = look
        # When somebody last scraped it, Unix seconds, and how they named themselves.
        self.scraped_at: float | None = None
        self.scraped_by = ""
        self._url = listeners[0].local_url
        self._metrics = metrics
        # Reading the worker's files blocks; one named thread does it, one scrape at a time.
        self._reader = ThreadPoolExecutor(1, thread_name_prefix="seacod-scrape")
        app = Starlette(routes=[Route("/metrics", self._scrape), Route("/", self._home)])
        self._server = _MetricsHttpServer(app, [one.socket for one in listeners])

    @property
    def url(self) -> str:
        """The address of the metrics page, as a program on this machine reaches it."""
        return f"{self._url}/metrics"

    async def run(self) -> None:
        """Serve until `stop`."""
        try:
            await self._server.serve(sockets=[])
        finally:
            self._reader.shutdown(wait=False)

    def stop(self) -> None:
        self._server.stop()

    async def _scrape(self, request: Request) -> Response:
        agent = request.headers.get("user-agent", "")
        # A look of our own is no scrape (`seacod check`).
        if not agent.startswith(OWN_AGENT):
            self.scraped_at, self.scraped_by = time.time(), agent[:80]
        self._look()
        text = await asyncio.get_running_loop().run_in_executor(self._reader, self._collect)
        return Response(text, headers={"Content-Type": CONTENT_TYPE_LATEST})

    def _collect(self) -> bytes:
        self._metrics.remove_torn_files()
        return generate_latest(self._metrics.registry)

    async def _home(self, request: Request) -> Response:
        return PlainTextResponse("seacod: the metrics are at /metrics\n")
