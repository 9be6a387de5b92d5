"""Delivered at least once and in order, though the process is killed between any two steps."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from receivers import PASSWORD, USER, MailServer
from supervised import PATIENCE_SECONDS

HERE = Path(__file__).parent


class Box:
    def __init__(self, directory: Path, server: MailServer, authority: Path) -> None:
        password = directory / "password"
        password.write_text(PASSWORD)
        password.chmod(0o600)
        self.file = directory / "alerts.sqlite3"
        self.settings = json.dumps(
            {
                "language": "en", "mail_server": "localhost", "mail_port": server.port,
                "mail_ca_file": str(authority), "mail_user": USER,
                "mail_password_file": str(password), "mail_from": "a@example.org",
                "mail_to": "b@example.org", "gather_seconds": 0,
            }
        )  # fmt: skip

    def run(self, step: str, what: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, str(HERE / "kill_at.py"), str(self.file), self.settings, step, what],
            capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False,
            env={**os.environ, "PYTHONPATH": f"{HERE.parents[1]}:{HERE.parent}"},
        )  # fmt: skip


@pytest.fixture
def box(tmp_path: Path, mail_server: MailServer, authority: Path) -> Box:
    return Box(tmp_path, mail_server, authority)


def words(server: MailServer) -> list[str]:
    """What each mail said, in order."""
    said: list[Any] = [mail.get_body(("plain",)).get_content() for mail in server.mails]  # type: ignore[union-attr]
    return [line for text in said for line in text.splitlines() if line.startswith("number")]


@pytest.mark.parametrize("step", ["before-send", "after-send", "after-delivered"])
def test_killed_while_delivering(box: Box, mail_server: MailServer, step: str) -> None:
    assert box.run("none", "raise").returncode == 0
    killed = box.run(step, "deliver")
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    again = box.run("none", "deliver")
    assert again.returncode == 0, again.stderr
    assert json.loads(again.stdout) == {"waiting": 0}
    everything = ["number 0", "number 1", "number 2"]
    # Sent and not yet written down: sent twice. Never not at all, never out of order.
    assert words(mail_server) == everything * (2 if step == "after-send" else 1)
    if step == "after-send":
        first, second = (mail["Message-ID"] for mail in mail_server.mails)
        assert first == second


def test_killed_while_raising(box: Box, mail_server: MailServer) -> None:
    """What was kept is sent; what was about to be kept is raised again by whoever noticed it."""
    assert box.run("before-add", "raise").returncode == -signal.SIGKILL
    assert box.run("after-add", "raise").returncode == -signal.SIGKILL
    assert box.run("none", "deliver").returncode == 0
    assert words(mail_server) == ["number 0"]
    # The same again within the cool-down is counted, the others are news.
    assert box.run("none", "raise").returncode == 0
    assert box.run("none", "deliver").returncode == 0
    assert words(mail_server) == ["number 0", "number 1", "number 2"]


def test_a_server_that_is_down_costs_nothing_but_time(box: Box, mail_server: MailServer) -> None:
    mail_server.stop()
    assert box.run("none", "raise").returncode == 0
    down = box.run("none", "deliver")
    assert json.loads(down.stdout) == {"waiting": 3}
    mail_server.start()
    assert json.loads(box.run("none", "deliver").stdout) == {"waiting": 0}
    assert words(mail_server) == ["number 0", "number 1", "number 2"]


def test_a_broken_outbox_is_put_aside(tmp_path: Path) -> None:
    from seacod.alerts.outbox_file import FILE
    from seacod.supervisor.watch import alerting

    file = tmp_path / FILE
    file.write_bytes(b"this is no database, and long enough to be seen as none" * 50)
    outbox = alerting._opened(file)[0]
    assert outbox.depth() == 0
    assert list(tmp_path.glob("alerts.broken-*"))
