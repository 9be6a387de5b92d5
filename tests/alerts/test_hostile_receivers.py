"""Receivers of alerts that answer rubbish, lead elsewhere, drip or stay silent: each is one try
that ends in time, of one channel, and no secret is in what is said of it."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from receivers import MailServer, Robot
from supervised import StandIn, wait_until
from test_mail import message

from seacod.alerts import attempt
from seacod.alerts.channels import http
from seacod.alerts.channels.base import Undelivered
from seacod.alerts.channels.dingtalk import DingTalk
from seacod.alerts.channels.mail import Mail
from seacod.alerts.channels.webhook import Webhook
from seacod.alerts.compose import compose
from seacod.config.alerts import AlertSettings
from seacod.config.load import load_settings
from seacod.errors import ConfigError

TOKEN = "t0ken-0f-the-r0bot"


class Hostile:
    """Takes connections and answers each with the same bytes: all at once, or one at a time.

    Args:
        answer: the bytes; with `drip_seconds` they come one by one, for ever anew.
        is_waiting: reads the request first.
    """

    def __init__(
        self,
        answer: bytes,
        *,
        drip_seconds: float = 0.0,
        is_waiting: bool = True,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._tls = tls
        self._answer, self._drip_seconds, self._is_waiting = answer, drip_seconds, is_waiting
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = self._server.getsockname()[1]
        self.open = 0
        self._ends = threading.Event()
        threading.Thread(target=self._serve, daemon=True).start()

    def url(self, scheme: str = "http") -> str:
        return f"{scheme}://127.0.0.1:{self.port}/hook/{TOKEN}?access_token={TOKEN}"

    def stop(self) -> None:
        self._ends.set()
        self._server.close()

    def _serve(self) -> None:
        while True:
            try:
                one, _ = self._server.accept()
            except OSError:
                return
            threading.Thread(target=self._talk, args=(one,), daemon=True).start()

    def _talk(self, one: socket.socket) -> None:
        self.open += 1
        with one:
            try:
                if self._tls is not None:
                    one = self._tls.wrap_socket(one, server_side=True)
                request, chunk = b"", b"x"
                while self._is_waiting and chunk and not request.endswith(b"}"):
                    chunk = one.recv(65536)
                    request += chunk
                if not self._drip_seconds:
                    one.sendall(self._answer)
                    return
                for byte in self._answer:
                    one.sendall(bytes([byte]))
                while not self._ends.wait(self._drip_seconds):
                    one.sendall(b"x")
            except OSError:
                pass
            finally:
                self.open -= 1


def settings_for(directory: Path, url: str) -> AlertSettings:
    file = directory / "url"
    file.write_text(url)
    file.chmod(0o600)
    return AlertSettings(webhook_url_file=file, dingtalk_url_file=file)


def refusal(channel: Any, settings: AlertSettings) -> Undelivered:
    batch = (message(),)
    with pytest.raises(Undelivered) as caught:
        asyncio.run(attempt.send(channel(settings), compose(batch, settings), batch))
    assert TOKEN not in caught.value.answer + caught.value.chinese
    assert caught.value.answer.isprintable()
    return caught.value


def posting() -> list[threading.Thread]:
    return [one for one in threading.enumerate() if one.name == "seacod-post"]


@pytest.mark.parametrize(
    "answer",
    [
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"",
        b"\x00" * 5000,
        b"HTTP/1.1 abc OK\r\n\r\n",
        b"HTTP/1.1 200" + b"0" * 70_000,
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 5000 + b"\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"y" * 70_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 500 " + TOKEN.encode() + b"\r\nContent-Length: 9\r\n\r\n\x1b[2Jabc",
        b"HTTP/1.1 401 no\r\nContent-Length: 20\r\n\r\n" + TOKEN.encode(),
        b"* OK [CAPABILITY IMAP4rev1] ready\r\n",
    ],
)
@pytest.mark.parametrize("channel", [Webhook, DingTalk])
def test_rubbish_is_a_try_that_failed(tmp_path: Path, channel: Any, answer: bytes) -> None:
    receiver = Hostile(answer)
    try:
        refusal(channel, settings_for(tmp_path, receiver.url()))
    finally:
        receiver.stop()


@pytest.mark.parametrize(
    "answer",
    [
        "[]", "1", "null", '"errcode"', "{}", '{"errcode": "x"}', '{"errcode": 1e999}',
        '{"errcode": null}', "[" * 200, '{"errcode": -1, "errmsg": {"a": ["\\u001b[31m"]}}',
        "<html>Log in</html>", "\ud83d"[:0] + '{"errcode": [0]}',
    ],
)  # fmt: skip
def test_a_robot_that_is_none(tmp_path: Path, answer: str) -> None:
    body = answer.encode()
    head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body)
    receiver = Hostile(head + body)
    try:
        refusal(DingTalk, settings_for(tmp_path, receiver.url()))
    finally:
        receiver.stop()


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed_and_not_a_success(
    tmp_path: Path, robot: Robot, status: int
) -> None:
    receiver = Hostile(
        f"HTTP/1.1 {status} Moved\r\nLocation: {robot.url}\r\nContent-Length: 0\r\n\r\n".encode()
    )
    try:
        error = refusal(Webhook, settings_for(tmp_path, receiver.url()))
    finally:
        receiver.stop()
    assert error.is_ours and "not followed" in error.answer
    assert not robot.requests


@pytest.mark.parametrize(
    ("scheme", "answer"),
    [
        ("http", b"HTTP/1.1 200 OK\r\nX-"),  # never the end of a header
        ("http", b"HTTP/1.1 200 OK\r\nContent-Length: 4000\r\n\r\n"),
        ("http", b"HTTP/1.1 403 OK\r\nContent-Length: 4000\r\n\r\n"),
        ("http", b"HTTP/1.1 100 Continue\r\n\r\n"),
        ("https", b"\x16\x03\x03\x40\x00"),  # a TLS record that never ends
    ],
)
def test_a_drip_is_cut_off_in_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, scheme: str, answer: bytes
) -> None:
    monkeypatch.setattr(http, "_TIMEOUT_SECONDS", 1.0)
    receiver = Hostile(answer, drip_seconds=0.2, is_waiting=scheme == "http")
    try:
        error = refusal(Webhook, settings_for(tmp_path, receiver.url(scheme)))
        assert "within 1 s" in error.answer
        wait_until(lambda: not posting(), "the end of the thread")
        wait_until(lambda: not receiver.open, "the end of the connection")
    finally:
        receiver.stop()


def test_a_certificate_nobody_vouches_for_is_said(tmp_path: Path, authority: Path) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority)
    receiver = Hostile(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", tls=context)
    try:
        error = refusal(Webhook, settings_for(tmp_path, receiver.url("https")))
        assert error.is_ours and "certificate" in error.answer
    finally:
        receiver.stop()


def test_a_secure_address_takes_messages(
    tmp_path: Path, authority: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(authority))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority)
    receiver = Hostile(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", tls=context)
    try:
        url = receiver.url("https").replace("127.0.0.1", "localhost")
        settings, batch = settings_for(tmp_path, url), (message(),)
        sent = attempt.send(Webhook(settings), compose(batch, settings), batch)
        assert asyncio.run(sent) == "200 ok"
    finally:
        receiver.stop()


def test_a_channel_that_never_ends_has_one_limit_for_the_whole_try(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attempt, "LIMIT_SECONDS", 0.5)
    receiver = Hostile(b"220 ", drip_seconds=0.1, is_waiting=False)
    settings = AlertSettings(
        mail_server="127.0.0.1", mail_port=receiver.port, mail_security="none",
        mail_from="a@example.org", mail_to="b@example.org",
    )  # fmt: skip
    try:
        assert "no answer within 0.5 s" in refusal(Mail, settings).answer
    finally:
        receiver.stop()


@pytest.mark.parametrize(
    "answer",
    [b"SSH-2.0-x\r\n", b"\xff\xfe\x00" * 50_000, b"220\r\n", b"999 x\r\n", b"220-\r\n" * 20_000],
)
def test_a_mail_server_that_is_none(tmp_path: Path, answer: bytes) -> None:
    receiver = Hostile(answer, is_waiting=False)
    settings = AlertSettings(
        mail_server="127.0.0.1", mail_port=receiver.port, mail_security="none",
        mail_from="a@example.org", mail_to="b@example.org",
    )  # fmt: skip
    try:
        refusal(Mail, settings)
    finally:
        receiver.stop()


@pytest.mark.parametrize(
    "url",
    [
        f"https://example.invalid/ho ok?access_token={TOKEN}",
        f"https://example.invalid/{TOKEN}\nX-Evil: 1",
        f"https://example.invalid/{TOKEN}/é",
        f"https://example.invalid:port/{TOKEN}",
        f"https://[::1/{TOKEN}",
        f"https:///{TOKEN}",
        f"example.invalid/{TOKEN}",
        f"file:///etc/{TOKEN}",
        f"data:text/plain,{TOKEN}",
        f"ftp://example.invalid/{TOKEN}",
        f"http://example.invalid/\\{TOKEN}",
        f"http://user:{TOKEN}@example.invalid\x00/",
    ],
)
@pytest.mark.parametrize("channel", [Webhook, DingTalk])
def test_an_address_that_is_none_is_told_before_anything_is_sent(
    tmp_path: Path, channel: Any, url: str
) -> None:
    settings = settings_for(tmp_path, url)
    assert refusal(channel, settings).is_ours
    ((_, problem),) = channel(settings).problems()
    assert all(problem) and TOKEN not in "".join(problem)


class Failing(Webhook):
    """A mistake of ours, or of a library's."""

    async def send(self, composed: Any, messages: Any) -> str:
        url = self.secret("webhook_url_file")
        raise KeyError(f"nothing known of {url}")


def test_a_mistake_in_a_channel_is_a_try_that_failed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    error = refusal(Failing, settings_for(tmp_path, f"https://example.invalid/{TOKEN}"))
    assert "KeyError" in error.answer
    told = capsys.readouterr()
    assert "channel_broke" in told.out + told.err
    assert TOKEN not in told.out + told.err


def test_one_channel_that_answers_rubbish_leaves_the_others_their_messages(
    tmp_path: Path, robot: Robot
) -> None:
    service = StandIn(tmp_path / "service")
    rubbish = Hostile(b"SSH-2.0-x\r\n")
    service.configure(
        alerts={
            "language": "en", "gather_seconds": 0,
            "webhook_url_file": _file(tmp_path, "hook", rubbish.url()),
            "dingtalk_url_file": _file(tmp_path, "robot", robot.url),
        }
    )  # fmt: skip
    try:
        service.start()
        os.kill(service.worker_pid(), signal.SIGKILL)
        wait_until(lambda: service.events("alert_not_delivered"), "the try that failed")
        wait_until(lambda: robot.requests, "the message at the robot")
        # Somebody is told of the receiver that is none.
        wait_until(
            lambda: any("webhook" in json.dumps(body) for _, body in robot.requests),
            "the alert about the webhook",
        )
        assert service.stop() == 0
        assert not service.events("delivery_broke") and TOKEN not in service.log_text()
    finally:
        rubbish.stop()
        service.kill()


# -- every configured secret, then every failure, then a look everywhere --------------------------

SECRETS = {
    "webhook_url_file": "w3bhook-s3cret",
    "dingtalk_url_file": "d1ngtalk-s3cret",
    "dingtalk_secret_file": "SECs1gning-s3cret",
    "apprise_urls_file": "appr1se-s3cret",
    "mail_password_file": "ma1l-s3cret",
    "hub_token_file": "hub-s3cret-t0ken",
    "database_password_file": "datab4se-s3cret",
}


class Echo:
    """Answers with everything it was told: path, headers, body."""

    def __init__(self, status: bytes) -> None:
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = self._server.getsockname()[1]
        self._status = status
        self.asked = 0
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                one, _ = self._server.accept()
            except OSError:
                return
            with one:
                said = one.recv(65536)
                self.asked += 1
                one.sendall(
                    b"HTTP/1.1 %b x\r\nContent-Length: %d\r\n\r\n%b"
                    % (self._status, len(said), said)
                )

    def stop(self) -> None:
        self._server.close()


@pytest.fixture
def echo() -> Iterator[Echo]:
    one = Echo(b"403")
    yield one
    one.stop()


def test_no_secret_is_anywhere_after_every_failure(
    tmp_path: Path, echo: Echo, mail_server: MailServer, authority: Path
) -> None:
    """In the log, the status, the mails, the dossiers, the outbox."""
    service = StandIn(tmp_path / "service")
    at = f"127.0.0.1:{echo.port}"
    hold = {
        "webhook_url_file": f"http://{at}/hook/{SECRETS['webhook_url_file']}",
        "dingtalk_url_file": f"http://{at}/robot?access_token={SECRETS['dingtalk_url_file']}",
        "apprise_urls_file": f"json://{at}/{SECRETS['apprise_urls_file']}",
    }
    files = {key: _file(tmp_path, key, hold.get(key, secret)) for key, secret in SECRETS.items()}
    alerts: dict[str, Any] = {
        "language": "en", "gather_seconds": 0, "cool_down_seconds": 0,
        "mail_server": "localhost", "mail_port": mail_server.port, "mail_ca_file": str(authority),
        "mail_user": "seacod", "mail_from": "a@example.org", "mail_to": "b@example.org",
        **{key: file for key, file in files.items() if key[:3] in ("web", "din", "app", "mai")},
    }  # fmt: skip
    sections: dict[str, Any] = {
        "asr": {"hub_token_file": files["hub_token_file"]},
        "results": {"database_password_file": files["database_password_file"]},
        "log": {"level": "debug"},
    }
    everything = " ".join((*SECRETS.values(), *hold.values()))
    service.configure(alerts=alerts, **sections)
    # A library that talks too much: in an alert, in the name of a recording, on its own output.
    service.plan(tell_fault=["out_of_memory", everything], running=everything, says=everything)
    with service.running():
        wait_until(lambda: (service.status() or {})["running"], "a beat")
        os.kill(service.worker_pid(), signal.SIGSEGV)
        wait_until(lambda: len(service.events("alert_not_delivered")) >= 4, "every try failed")
        # Then the mail server takes the password, and tells it all.
        (tmp_path / "mail_password_file").write_text("s3cret-Pa55")
        wait_until(lambda: mail_server.mails, "a mail")
        # Another form of each failure: nobody there; a refusal of the configuration.
        echo.stop()
        service.config.write_text(
            f"results: {{database: 'postgres://u:{SECRETS['database_password_file']}@h/d'}}"
        )
        service.signal(signal.SIGHUP)
        wait_until(lambda: service.events("configuration_refused"), "the refusal")
        status = json.dumps(service.status())
        wait_until(lambda: list((service.directory / "state/crashes").glob("*/*.json")), "dossier")
        assert service.stop() == 0
        seen = {
            "log": service.log_text(),
            "status": status,
            "mails": "".join(str(part) for mail in mail_server.mails for part in mail.walk())
            + "".join(_texts(mail) for mail in mail_server.mails),
            "state": "".join(
                path.read_text("utf-8", "replace")
                for path in (service.directory / "state").rglob("*")
                if path.is_file()
            ),
        }
        for secret in (*SECRETS.values(), "s3cret-Pa55"):
            for where, text in seen.items():
                assert secret not in text, (secret, where)
        assert "****" in seen["log"] and "****" in seen["mails"] and "****" in seen["state"]


@pytest.mark.parametrize(
    "address",
    [
        "postgresql://u:{}@h/d", "postgresql://u@h/d?password={}", "postgres://u:{}@h/d",
        "postgresql://u@h/d?x=1&sslpassword={}", "postgresql://u@h/d?pass%77ord={}",
        "postgresql://u@h/d?x=1;PassWord={}", "host=h password={}",
    ],
)  # fmt: skip
def test_the_password_of_a_database_is_refused_in_its_address_and_not_repeated(
    address: str,
) -> None:
    with pytest.raises(ConfigError) as caught:
        load_settings(
            environment={"SEACOD_RESULTS_DATABASE": address.format("s3cret-word")},
            default_file=None,
        )
    assert "s3cret-word" not in caught.value.message


def _file(directory: Path, name: str, text: str) -> str:
    file = directory / name
    file.write_text(text)
    file.chmod(0o600)
    return str(file)


def _texts(mail: Any) -> str:
    return "".join(
        str(part.get_content()) for part in mail.walk() if part.get_content_maintype() == "text"
    )
