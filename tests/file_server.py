"""A web server from which recordings are fetched, and which does whatever a test says."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

# What is written to a client, given its request.
Page = Callable[[BaseHTTPRequestHandler], None]


def content(body: bytes, status: int = 200, **headers: str) -> Page:
    def answer(request: BaseHTTPRequestHandler) -> None:
        request.send_response(status)
        for name, value in headers.items():
            request.send_header(name.replace("_", "-"), value)
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        request.wfile.write(body)

    return answer


def sent_on(to: str) -> Page:
    return content(b"", 302, Location=to)


def endless(piece: bytes = b"\0" * 65536, pause_seconds: float = 0.0) -> Page:
    """Never says how much it is, and never ends."""

    def answer(request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.end_headers()
        while True:
            request.wfile.write(piece)
            time.sleep(pause_seconds)

    return answer


def cut_off(request: BaseHTTPRequestHandler) -> None:
    """Says more than it has."""
    request.send_response(200)
    request.send_header("Content-Length", "1000000")
    request.end_headers()
    request.wfile.write(b"RIFF")


class FileServer:
    """Pages by their path; `asked` are the requests, path and headers of each."""

    def __init__(self, **pages: Page) -> None:
        self.pages: dict[str, Page] = {f"/{name}": page for name, page in pages.items()}
        self.asked: list[tuple[str, dict[str, str]]] = []
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                server.asked.append((self.path, dict(self.headers)))
                path = self.path.partition("?")[0]
                page = server.pages.get(path, content(b"nothing here", 404))
                try:
                    page(self)
                except OSError:
                    self.close_connection = True

            def log_message(self, format: str, *arguments: Any) -> None:
                """Quiet."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_port
        self.origin = f"http://127.0.0.1:{self.port}"
        self._thread = threading.Thread(target=self._server.serve_forever, name="files")
        self._thread.start()

    def url(self, path: str) -> str:
        return f"{self.origin}/{path}"

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
