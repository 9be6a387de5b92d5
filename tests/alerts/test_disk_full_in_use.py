"""The disk of the state directory runs full under a service: its alerts are sent all the same, are
seen, and lie in their file once there is room."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typed
from full_disk import fill
from receivers import PASSWORD, USER, MailServer
from supervised import StandIn, wait_until

from seacod.alerts.outbox import Outbox
from seacod.alerts.outbox_file import FILE


@pytest.fixture
def service(
    tmp_path: Path, small_disk: Path, mail_server: MailServer, authority: Path
) -> Iterator[StandIn]:
    """One whose state lies on a small disk, and which writes mails in English."""
    one = StandIn(tmp_path / "service")
    password = tmp_path / "password"
    password.write_text(PASSWORD)
    password.chmod(0o600)
    one.configure(
        paths={
            "state_directory": str(small_disk / "state"),
            "runtime_directory": str(one.directory / "run"),
            "temp_directory": str(small_disk / "state/uploads"),
        },
        storage={
            "sweep_interval_seconds": 1, "free_warn_bytes": 2**20, "free_refuse_bytes": 2**19,
        },
        alerts={
            "language": "en", "mail_server": "localhost", "mail_port": mail_server.port,
            "mail_ca_file": str(authority), "mail_user": USER,
            "mail_password_file": str(password), "mail_from": "a@example.org",
            "mail_to": "b@example.org", "gather_seconds": 0,
        },
    )  # fmt: skip
    yield one
    one.kill()


def _alerts(service: StandIn) -> dict[str, Any]:
    status = service.status()
    assert status is not None
    told: dict[str, Any] = status["alerts"]
    return told


def open_alerts(service: StandIn) -> list[str]:
    return [one["kind"] for one in _alerts(service)["open"]]


def test_what_happens_on_a_full_disk_is_told_at_once_and_kept_later(
    service: StandIn, small_disk: Path, mail_server: MailServer
) -> None:
    service.start()
    first = service.worker_pid()
    filling = fill(small_disk)
    os.kill(first, signal.SIGKILL)
    wait_until(lambda: service.status_of("serving", other_than=first), "a fresh worker")

    def told(words: str) -> int:
        return sum(
            words in str(part.get_payload(decode=True), "utf-8")
            for mail in list(mail_server.mails)
            for part in mail.walk()
            if part.get_content_type() == "text/plain"
        )

    wait_until(lambda: told(f"The worker with pid {first} ended"), "a mail about the worker")
    wait_until(lambda: any("disk" in one.lower() for one in mail_server.subjects()), "of the disk")
    assert {"disk_low", "disk_full"} & set(open_alerts(service))
    shown = typed.seacod("alerts", "--config", str(service.config)).stdout
    assert f"The worker with pid {first} ended" in shown
    assert "delivered" in shown
    mails = len(mail_server.subjects())
    filling.unlink()
    wait_until(lambda: not {"disk_low", "disk_full"} & set(open_alerts(service)), "that it is over")
    wait_until(lambda: len(mail_server.subjects()) > mails, "word that it is over")
    wait_until(lambda: _alerts(service)["unwritten"] is None, "the file again")
    file = small_disk / "state" / FILE
    service.kill()
    with contextlib.closing(Outbox(file)) as after:
        kept = after.recent(50)
        assert not after.waiting("mail")
    assert [one.state for one in kept] == ["delivered"] * len(kept)
    assert {"worker_crashed"} <= {one.alert.kind for one in kept}
    mails = len(mail_server.subjects())
    service.start()
    service.stop()
    assert len(mail_server.subjects()) == mails, "sent a second time"
