"""seacod alerts, test-alert, crashes and what config check says of the mail server."""

from __future__ import annotations

import json
import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typed
from receivers import PASSWORD, USER, MailServer, Robot
from supervised import StandIn, wait_until

from seacod.alerts.kinds import KINDS


@pytest.fixture
def service(
    tmp_path: Path, mail_server: MailServer, robot: Robot, authority: Path
) -> Iterator[StandIn]:
    one = StandIn(tmp_path / "service")
    for name, text in (("password", PASSWORD), ("url", robot.url)):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o600)
    one.alerts = {
        "language": "en", "mail_server": "localhost", "mail_port": mail_server.port,
        "mail_ca_file": str(authority), "mail_user": USER,
        "mail_password_file": str(tmp_path / "password"), "mail_from": "a@example.org",
        "mail_to": "b@example.org", "dingtalk_url_file": str(tmp_path / "url"),
        "gather_seconds": 0,
    }  # fmt: skip
    one.configure(alerts=one.alerts)
    yield one
    one.kill()


def test_a_test_message_and_what_was_answered(
    service: StandIn, mail_server: MailServer, robot: Robot
) -> None:
    told = typed.seacod("test-alert", "--config", str(service.config))
    assert told.returncode == 0, told.stdout + told.stderr
    assert "mail: taken: " in told.stdout
    assert "dingtalk: taken: errcode 0" in told.stdout
    assert "test message" in mail_server.subjects()[0]
    assert len(robot.requests) == 1
    # One channel alone, and what it says when it does not take it.
    mail_server.refuse_with = "550 5.1.1 no such user"
    told = typed.seacod("test-alert", "--mail", "--config", str(service.config))
    assert told.returncode == 1
    assert "mail: not taken: b@example.org: 550 5.1.1 no such user" in told.stdout
    assert len(robot.requests) == 1
    told = typed.seacod("test-alert", "--webhook", "--config", str(service.config))
    assert (told.returncode, told.stdout) == (1, "webhook: not configured\n")


def test_without_a_channel_it_says_what_to_configure(service: StandIn) -> None:
    service.configure()
    told = typed.seacod("test-alert", "--config", str(service.config))
    assert told.returncode == 78
    assert "alerts.mail_server" in told.stderr


def test_what_was_sent_what_waits_and_past_crashes(
    service: StandIn, mail_server: MailServer, robot: Robot
) -> None:
    mail_server.refuse_with = "451 later"
    service.start()
    pid = service.worker_pid()
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: robot.requests, "the robot told")
    wait_until(lambda: service.events("alert_not_delivered"), "a mail tried")
    told = typed.seacod("alerts", "--config", str(service.config)).stdout
    assert "delivered" in told
    assert re.search(r"waiting, \d+ tries", told)
    assert "451" in told
    assert f"The worker with pid {pid} ended" in told
    listed: list[dict[str, Any]] = json.loads(
        typed.seacod("alerts", "--json", "--config", str(service.config)).stdout
    )
    assert {entry["channel"] for entry in listed} == {"mail", "dingtalk"}
    told = typed.seacod("crashes", "--config", str(service.config)).stdout
    assert f"pid {pid}: signal SIGKILL" in told
    assert "stand-in worker says hello" in told
    (crash,) = json.loads(typed.seacod("crashes", "--json", "--config", str(service.config)).stdout)
    assert crash["status"] == -9


@pytest.mark.parametrize("language", ["en_GB.UTF-8", "zh_CN.UTF-8"])
def test_the_kinds_are_listed_in_the_language_of_the_terminal(language: str) -> None:
    told = typed.seacod("alerts", "--kinds", LC_ALL=language).stdout
    for name, kind in KINDS.items():
        words = (kind.english, kind.chinese)
        said, other = words if language.startswith("en") else reversed(words)
        assert name in told and said in told
        assert other not in told


def test_config_check_names_the_line_of_what_cannot_work(tmp_path: Path) -> None:
    file = tmp_path / "seacod.yaml"
    lines = [
        "alerts:",
        "  mail_server: no-such-host.invalid",
        "  mail_from: a@example.org",
        "  mail_to: b@example.org",
        "  muted: worker_crashd",
    ]
    file.write_text("\n".join(lines))
    told = typed.seacod("config", "check", str(file))
    assert told.returncode == 78
    assert (
        f"{file}:2: alerts.mail_server: 'no-such-host.invalid': there is no such host"
        in told.stderr
    )
    assert f"{file}:5: alerts.muted: 'worker_crashd' is not a kind of alert" in told.stderr
    file.write_text("\n".join([*lines[:3], "  mail_to: b@example.org, nobody"]))
    told = typed.seacod("config", "check", str(file))
    assert told.returncode == 78
    assert f"{file}:4: alerts.mail_to: " in told.stderr
    assert "'nobody' is not a mail address" in told.stderr
    file.write_text("\n".join(lines[:2]))
    told = typed.seacod("config", "check", str(file))
    assert f"{file}:2: alerts.mail_server: needs alerts.mail_to, too" in told.stderr
