"""A real service whose operator gets mail: from the fault to the inbox."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from email.message import EmailMessage
from pathlib import Path

import pytest
from receivers import PASSWORD, USER, MailServer
from supervised import StandIn, wait_until


@pytest.fixture
def service(tmp_path: Path, mail_server: MailServer, authority: Path) -> Iterator[StandIn]:
    one = StandIn(tmp_path / "service")
    password = tmp_path / "password"
    password.write_text(PASSWORD)
    password.chmod(0o600)
    one.alerts = {
        "language": "en",
        "name": "gpu-box",
        "mail_server": "localhost",
        "mail_port": mail_server.port,
        "mail_ca_file": str(authority),
        "mail_user": USER,
        "mail_password_file": str(password),
        "mail_from": "seacod@example.org",
        "mail_to": "operator@example.org",
        "gather_seconds": 0.2,
    }
    one.configure(alerts=one.alerts)
    yield one
    one.kill()


def mail_about(server: MailServer, words: str) -> EmailMessage:
    """The first mail whose subject or text has these words."""

    def look() -> EmailMessage | None:
        return next(
            (m for m in server.mails if words in str(m["Subject"]) or words in text(m)), None
        )

    found: EmailMessage = wait_until(look, f"a mail about {words!r}; there are {server.subjects()}")
    return found


def text(mail: EmailMessage) -> str:
    body = mail.get_body(("plain",))
    assert body is not None
    return str(body.get_content())


def test_a_crash_is_in_the_inbox_with_all_that_is_known(
    service: StandIn, mail_server: MailServer
) -> None:
    service.plan(running="meeting.wav (61.0 s)", answer_seconds=0.1)
    service.start()
    pid = service.worker_pid()
    wait_until(lambda: (service.status() or {})["running"], "a beat")
    os.kill(pid, signal.SIGSEGV)
    mail = mail_about(mail_server, "SIGSEGV")
    assert mail["Subject"].startswith("[seacod@gpu-box] warning: the recognition process ended")
    said = text(mail)
    for evidence in (
        f"pid {pid}",
        "exit status: -11",
        "meeting.wav (61.0 s)",
        "stand-in worker says hello",
        "last log lines",
        "host memory free",
    ):
        assert evidence in said, said
    assert any(part.get_content_type() == "image/png" for part in mail.walk())
    mail_about(mail_server, "recovered: the recognition process ended")
    # The same is kept for later.
    (dossier,) = (service.directory / "state" / "crashes").iterdir()
    kept = json.loads((dossier / "dossier.json").read_text())
    assert (kept["status"], kept["last_recording"]) == (-11, "meeting.wav (61.0 s)")
    assert (dossier / "memory.png").read_bytes().startswith(b"\x89PNG")
    assert str(dossier) in said


def test_a_recording_that_ends_two_workers_is_named(
    service: StandIn, mail_server: MailServer
) -> None:
    service.plan(running="odd.wav (3.0 s)")
    service.start()
    for crash in (1, 2):
        first = service.worker_pid()
        wait_until(lambda: _has_beaten(service), "a beat")
        os.kill(first, signal.SIGSEGV)
        wait_until(
            lambda dead=first: service.status_of("serving", other_than=dead), f"another, {crash}"
        )
    mail = mail_about(mail_server, "odd.wav (3.0 s) was with the model at 2 ends of workers")
    assert "CRITICAL" in mail["Subject"]


def _has_beaten(service: StandIn) -> bool:
    return (service.status() or {}).get("running") == "odd.wav (3.0 s)"


def test_a_crash_loop_is_a_few_mails_not_many(service: StandIn, mail_server: MailServer) -> None:
    service.configure(
        alerts=service.alerts,
        supervisor={"backoff_initial_seconds": 0, "backoff_max_seconds": 0.1,
                    "crash_loop_failures": 4, "crash_loop_pause_seconds": 0.2,
                    "stable_seconds": 1},
    )  # fmt: skip
    service.start()
    service.plan(exit_at_start=1)
    os.kill(service.worker_pid(), signal.SIGKILL)
    wait_until(lambda: len(service.events("worker_exited")) > 15, "many ends")
    mail_about(mail_server, "CRITICAL")
    service.plan()
    mail_about(mail_server, "recovered: the recognition process does not start")
    assert len(mail_server.mails) <= 6, mail_server.subjects()


@pytest.mark.full
def test_a_mail_server_that_is_down_gets_it_later_even_by_another_supervisor(
    service: StandIn, mail_server: MailServer
) -> None:
    mail_server.stop()
    service.start()
    os.kill(service.worker_pid(), signal.SIGKILL)
    wait_until(lambda: service.events("alert_not_delivered"), "a try")
    assert (service.status() or {})["alerts"]["waiting"] >= 1
    service.signal(signal.SIGKILL)
    service.wait_for_exit()
    mail_server.start()
    service.start()
    mail_about(mail_server, "SIGKILL")


@pytest.mark.full
def test_a_wrong_password_is_an_alert_of_its_own(
    service: StandIn, mail_server: MailServer, tmp_path: Path
) -> None:
    (tmp_path / "password").write_text("wrong")
    service.start()
    os.kill(service.worker_pid(), signal.SIGKILL)
    (trouble,) = wait_until(
        lambda: [e for e in service.events("alert_raised") if e["kind"] == "delivery"], "the alert"
    )
    assert "refuses the login" in trouble["text"]
    assert "wrong" not in service.log_text()
    assert {a["kind"] for a in (service.status() or {})["alerts"]["open"]} >= {"delivery"}


def test_a_refused_configuration_is_told(service: StandIn, mail_server: MailServer) -> None:
    service.start()
    good = service.config.read_text()
    service.config.write_text("limits: {queue_lenght: 5}")
    service.signal(signal.SIGHUP)
    assert "did you mean limits.queue_length?" in text(mail_about(mail_server, "configuration"))
    service.config.write_text(good)


def test_requests_that_fail_a_full_queue_and_work_that_does_not_get_on(
    service: StandIn, mail_server: MailServer
) -> None:
    service.configure(
        alerts={**service.alerts, "queue_full_seconds": 1, "stalled_seconds": 1},
        supervisor={"progress_timeout_seconds": 600},
    )
    service.plan(beat={"queue_depth": 20, "failed": 30, "answered": 10,
                       "progress_age_seconds": 2.5, "oldest_seconds": 3.0})  # fmt: skip
    service.start()
    mail_about(mail_server, "30 of 40 requests")
    mail_about(mail_server, "which is the limit")
    mail_about(mail_server, "20 requests are waiting and the model has finished nothing")


def test_out_of_memory_and_the_canary_are_told(service: StandIn, mail_server: MailServer) -> None:
    service.plan(tell_fault=["out_of_memory", "a stretch of 20 s does not fit"])
    service.start()
    mail_about(mail_server, "a stretch of 20 s does not fit")


@pytest.mark.full
def test_an_outbox_destroyed_under_the_service_costs_alerts_and_nothing_else(
    service: StandIn,
) -> None:
    service.start()
    first = service.worker_pid()
    for file in (service.directory / "state").glob("alerts.sqlite3*"):
        file.write_bytes(b"this was a database " * 1000)
    os.kill(first, signal.SIGKILL)
    status = wait_until(lambda: service.status_of("serving", other_than=first), "another worker")
    assert status["restarts"]["count"] == 1
    assert service.get()[0] == 200
    assert service.stop() == 0
    # The next start puts the broken file aside.
    service.start()
    assert service.get()[0] == 200


def test_stopping_sends_what_waits(service: StandIn, mail_server: MailServer) -> None:
    service.configure(alerts={**service.alerts, "gather_seconds": 60})
    service.start()
    os.kill(service.worker_pid(), signal.SIGKILL)
    wait_until(lambda: service.events("alert_raised"), "the alert")
    assert not mail_server.mails
    assert service.stop() == 0
    mail_about(mail_server, "SIGKILL")


def test_an_idle_service_tells_nothing(service: StandIn, mail_server: MailServer) -> None:
    service.start()
    assert service.get()[0] == 200
    assert service.stop() == 0
    assert not mail_server.mails
    assert not service.events("alert_raised")
