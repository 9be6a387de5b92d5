"""What alerts are sent to in tests: a real SMTP server with STARTTLS and AUTH, and an HTTP server
that stands for a DingTalk robot or a webhook (the real ones are on the internet).
"""

from __future__ import annotations

import asyncio
import email
import email.policy
import json
import ssl
import subprocess
import threading
import time
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from supervised import PATIENCE_SECONDS, free_port

USER, PASSWORD = "seacod", "s3cret-Pa55"


def certificate(directory: Path, name: str) -> Path:
    """A self-signed certificate and its key in one file."""
    key, signed, both = (directory / f"{name}.{end}" for end in ("key", "crt", "pem"))
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
         "-subj", f"/CN={name}", "-addext", f"subjectAltName=DNS:{name}",
         "-keyout", str(key), "-out", str(signed)],
        check=True, capture_output=True,
    )  # fmt: skip
    both.write_text(key.read_text() + signed.read_text())
    return both


class MailServer:
    """An SMTP server on localhost.

    Attributes set by tests, at any time:
        refuse_with: answer to RCPT TO, such as "451 come back later"; None takes it.
        refuse_times: how often, before it is taken.
        refuse_only: this receiver alone is refused; empty: all.
        refused: answers to some receivers of their own.
        drop_in_data: close the connection in the middle of DATA, so often.
        slow_seconds: before DATA is answered.
    """

    def __init__(self, pem: Path, *, with_login: bool = True, with_tls: bool = True) -> None:
        self.port = free_port()
        self.mails: list[EmailMessage] = []
        self.at: list[float] = []
        self.receivers: list[list[str]] = []
        self.refuse_with: str | None = None
        self.refuse_times = 10**9
        self.refuse_only = ""
        self.refused: dict[str, str] = {}
        self.drop_in_data = 0
        self.slow_seconds = 0.0
        self.connections = 0
        self._pem = pem
        self._with_login = with_login
        self._with_tls = with_tls
        self._controller: Controller | None = None

    def start(self) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self._pem)
        options: dict[str, Any] = {}
        if self._with_tls:
            options |= {"tls_context": context, "require_starttls": True}
        if self._with_login:
            options |= {
                "auth_required": True,
                "auth_require_tls": self._with_tls,
                "authenticator": self._login,
            }
        self._controller = Controller(
            self, hostname="127.0.0.1", port=self.port, ready_timeout=PATIENCE_SECONDS, **options
        )
        self._controller.start()

    def stop(self) -> None:
        if self._controller is not None:
            self._controller.stop()
            self._controller = None

    def subjects(self) -> list[str]:
        return [str(mail["Subject"]) for mail in self.mails]

    @staticmethod
    def _login(server: SMTP, session: Session, envelope: Envelope, method: str, data: Any) -> Any:
        good = isinstance(data, LoginPassword) and (data.login, data.password) == (
            USER.encode(), PASSWORD.encode(),
        )  # fmt: skip
        return AuthResult(success=good, handled=False)

    # -- called by aiosmtpd ---------------------------------------------------------------------

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if address in self.refused:
            return self.refused[address]
        is_meant = self.refuse_only in ("", address)
        if self.refuse_with is not None and self.refuse_times > 0 and is_meant:
            self.refuse_times -= 1
            return self.refuse_with
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        await asyncio.sleep(self.slow_seconds)
        if self.drop_in_data > 0:
            self.drop_in_data -= 1
            server.transport.abort()
            return "421 gone"
        content = envelope.content
        assert isinstance(content, bytes)
        mail = email.message_from_bytes(content, policy=email.policy.default)
        assert isinstance(mail, EmailMessage)
        self.mails.append(mail)
        self.receivers.append(envelope.rcpt_tos)
        self.at.append(time.time())
        return "250 taken"


class Robot:
    """Takes JSON by POST; `answers` are given one after the other, the last one for ever."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, dict[str, Any]]] = []
        self.answers: list[tuple[int, dict[str, Any]]] = [(200, {"errcode": 0, "errmsg": "ok"})]
        robot = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                robot.requests.append((self.path, json.loads(body)))
                status, answer = robot.answers[0]
                if len(robot.answers) > 1:
                    robot.answers.pop(0)
                data = json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, format: str, *arguments: Any) -> None:
                """Quiet."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/robot?access_token=t0ken"
        self._thread = threading.Thread(target=self._server.serve_forever, name="robot")
        self._thread.start()

    def stop(self) -> None:
        if not self._thread.is_alive():
            return
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
