"""The optional channel of the library Apprise, which talks to a receiver on this machine."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typed
from receivers import Robot
from supervised import StandIn, wait_until
from test_mail import message

from seacod.alerts.alert import Message
from seacod.alerts.channels import apprise
from seacod.alerts.channels.apprise import Apprise
from seacod.alerts.channels.base import Undelivered
from seacod.alerts.compose import compose
from seacod.config.alerts import AlertSettings

TOKEN = "t0ken-of-the-robot"


def address(robot: Robot, token: str = TOKEN) -> str:
    """As Apprise writes that of a receiver of JSON."""
    return f"{robot.url.replace('http://', 'json://').partition('/robot')[0]}/{token}"


@pytest.fixture
def other() -> Iterator[Robot]:
    one = Robot()
    yield one
    one.stop()


@pytest.fixture(autouse=True)
def nobody_has_taken_anything() -> None:
    Apprise._taken.clear()


def settings(directory: Path, *addresses: str) -> AlertSettings:
    file = directory / "urls"
    file.write_text("# who is told\n" + "\n".join(addresses) + "\n")
    file.chmod(0o600)
    return AlertSettings(name="gpu-box", apprise_urls_file=file)


def send(alerts: AlertSettings, *messages: Message) -> str:
    batch = messages or (message(),)
    return asyncio.run(Apprise(alerts).send(compose(batch, alerts), batch))


def refusal(alerts: AlertSettings, *messages: Message) -> Undelivered:
    with pytest.raises(Undelivered) as caught:
        send(alerts, *messages)
    assert TOKEN not in caught.value.answer + caught.value.chinese
    return caught.value


def bodies(robot: Robot) -> list[str]:
    return [body["message"] for _, body in robot.requests]


def test_each_address_is_told(tmp_path: Path, robot: Robot, other: Robot) -> None:
    alerts = settings(tmp_path, address(robot), "", address(other))
    assert send(alerts) == "taken by line 2 (json), line 4 (json)"
    for one in (robot, other):
        ((path, body),) = one.requests
        assert path == f"/{TOKEN}"
        assert "识别进程异常退出" in body["title"]
        assert "识别进程已退出：SIGKILL。" in body["message"]
        assert body["type"] == "warning"


def test_an_address_that_refuses_is_tried_again_and_the_other_is_not(
    tmp_path: Path, robot: Robot, other: Robot
) -> None:
    alerts = settings(tmp_path, address(robot), address(other))
    robot.answers = [(503, {}), (404, {}), (200, {})]
    first, second = message(1), message(2, text={"en": "It came again.", "zh": "再次发生。"})
    error = refusal(alerts, first)
    assert (error.answer, error.is_ours) == ("line 2 (json): refused with status 503", False)
    assert len(other.requests) == 1
    # Meanwhile something else happened: the other hears of that alone.
    error = refusal(alerts, first, second)
    assert (error.answer, error.is_ours) == ("line 2 (json): refused with status 404", True)
    assert "再次发生。" in bodies(other)[1] and "SIGKILL" not in bodies(other)[1]
    assert "taken by" in send(alerts, first, second)
    assert len(bodies(other)) == 2
    assert "再次发生。" in bodies(robot)[-1] and "SIGKILL" in bodies(robot)[-1]


def test_a_receiver_that_is_away_says_nothing_of_the_token(tmp_path: Path, robot: Robot) -> None:
    robot.stop()
    error = refusal(settings(tmp_path, address(robot)))
    assert error.answer == "line 2 (json): not taken"
    # For many services the host is the token, and Apprise's own sentence has it.
    error = refusal(settings(tmp_path, f"json://{TOKEN}.invalid/"))
    assert error.answer == "line 2 (json): not taken"


def test_one_that_never_answers_gets_no_second_thread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(apprise, "_TIMEOUT_SECONDS", 2.0)
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        alerts = settings(tmp_path, f"json://127.0.0.1:{deaf.getsockname()[1]}/{TOKEN}?rto=3600")
        assert "no answer within 2 s" in refusal(alerts).answer
        assert "the try before has not ended yet" in refusal(alerts).answer
        deaf.close()
    # The thread ends with its connection, and the address may be tried again.
    wait_until(lambda: not Apprise._calling, "the end of the call")


@pytest.mark.parametrize("line", ["nosuchscheme://x", "no address at all", "feishu://"])
def test_an_address_that_is_none_is_said_with_its_line(tmp_path: Path, line: str) -> None:
    alerts = settings(tmp_path, f"{line}{TOKEN if line[-1] != '/' else ''}")
    assert "Apprise does not understand this address" in refusal(alerts).answer
    ((key, problem),) = Apprise(alerts).problems()
    assert key == "apprise_urls_file"
    english, chinese = problem
    assert english.startswith("line 2 (") and TOKEN not in english + chinese


def test_without_the_library_one_sentence_says_what_to_install(
    tmp_path: Path, robot: Robot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "apprise", None)
    alerts = settings(tmp_path, address(robot))
    said = "needs the extra: pip install 'seacod[apprise]'"
    ((key, words),) = Apprise(alerts).problems()
    assert (key, words[0]) == ("apprise_urls_file", said)
    assert "seacod[apprise]" in words[1]
    error = refusal(alerts)
    assert said in error.answer and error.is_ours


def test_config_check_names_the_line_of_the_setting(tmp_path: Path) -> None:
    urls = settings(tmp_path, f"nosuchscheme://{TOKEN}").apprise_urls_file  # type: ignore[attr-defined]
    file = tmp_path / "seacod.yaml"
    file.write_text(f"alerts:\n  apprise_urls_file: {urls}\n")
    told = typed.seacod("config", "check", file)
    assert told.returncode == 78
    assert f"{file}:2: alerts.apprise_urls_file: line 2 (nosuchscheme): Apprise" in told.stderr
    assert TOKEN not in told.stderr


def test_a_service_delivers_again_after_a_refusal_and_logs_no_token(
    tmp_path: Path, robot: Robot
) -> None:
    service = StandIn(tmp_path / "service")
    urls: Any = settings(tmp_path, address(robot)).apprise_urls_file  # type: ignore[attr-defined]
    robot.answers = [(503, {"detail": TOKEN}), (200, {})]
    alerts = {"language": "en", "apprise_urls_file": str(urls), "gather_seconds": 0}
    service.configure(alerts=alerts, log={"level": "debug"})
    with service.running():
        pid = service.worker_pid()
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda: service.events("alert_not_delivered"), "a refusal")
        (refused, *_) = service.events("alert_not_delivered")
        assert refused["answer"] == "line 2 (json): refused with status 503"
        wait_until(lambda: service.events("alert_delivered"), "the alert delivered")
        assert f"The worker with pid {pid} ended" in bodies(robot)[-1]
        assert service.events("alert_delivered")[0]["answer"] == "taken by line 2 (json)"
        assert service.stop() == 0
        assert TOKEN not in service.log_text()
