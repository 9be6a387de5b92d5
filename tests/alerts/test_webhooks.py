"""DingTalk's signature and answers, and the generic webhook."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import urllib.parse
from pathlib import Path
from typing import Any

import pytest
from receivers import Robot
from test_mail import message

from seacod.alerts.channels.base import Undelivered
from seacod.alerts.channels.dingtalk import DingTalk
from seacod.alerts.channels.webhook import Webhook
from seacod.alerts.compose import compose
from seacod.config.alerts import AlertSettings

SECRET = "SECfa1beef"


def secret_file(directory: Path, name: str, text: str) -> Path:
    file = directory / name
    file.write_text(text)
    file.chmod(0o600)
    return file


@pytest.fixture
def settings(tmp_path: Path, robot: Robot) -> AlertSettings:
    return AlertSettings(
        name="gpu-box",
        dingtalk_url_file=secret_file(tmp_path, "url", robot.url),
        dingtalk_secret_file=secret_file(tmp_path, "secret", SECRET),
        webhook_url_file=secret_file(tmp_path, "hook", robot.url),
    )


def send(channel: Any, settings: AlertSettings, **alert: Any) -> str:
    batch = (message(**alert),)
    return str(asyncio.run(channel(settings).send(compose(batch, settings), batch)))


def test_a_robot_is_told_in_markdown_with_a_signature(
    settings: AlertSettings, robot: Robot
) -> None:
    assert send(DingTalk, settings) == "errcode 0: ok"
    ((path, body),) = robot.requests
    query = urllib.parse.parse_qs(urllib.parse.urlsplit(path).query)
    expected = hmac.new(
        SECRET.encode(), f"{query['timestamp'][0]}\n{SECRET}".encode(), hashlib.sha256
    )
    assert query["sign"] == [base64.b64encode(expected.digest()).decode()]
    assert query["access_token"] == ["t0ken"]
    assert body["msgtype"] == "markdown"
    assert "识别进程已退出" in body["markdown"]["text"]
    assert len(body["markdown"]["text"].encode()) < 20_000


def test_a_huge_alert_is_cut_to_what_a_robot_takes(settings: AlertSettings, robot: Robot) -> None:
    send(DingTalk, settings, text={"en": "x", "zh": "长" * 30_000})
    ((_, body),) = robot.requests
    assert len(body["markdown"]["text"].encode()) < 20_000


def test_a_refusal_inside_a_200_is_seen(settings: AlertSettings, robot: Robot) -> None:
    robot.answers = [(200, {"errcode": 310000, "errmsg": "sign not match"})]
    with pytest.raises(Undelivered, match="sign not match") as caught:
        send(DingTalk, settings)
    assert caught.value.is_ours
    robot.answers = [(200, {"errcode": 130101, "errmsg": "send too fast"})]
    with pytest.raises(Undelivered) as caught:
        send(DingTalk, settings)
    assert not caught.value.is_ours


def test_the_token_is_in_no_message(settings: AlertSettings, robot: Robot) -> None:
    robot.answers = [(404, {"detail": "not here"})]
    for channel in (DingTalk, Webhook):
        with pytest.raises(Undelivered) as caught:
            send(channel, settings)
        assert "t0ken" not in caught.value.answer
    robot.stop()
    robot_gone = AlertSettings(webhook_url_file=settings.webhook_url_file)
    with pytest.raises(Undelivered) as caught:
        send(Webhook, robot_gone)
    assert "t0ken" not in caught.value.answer


def test_a_webhook_gets_everything_as_json(settings: AlertSettings, robot: Robot) -> None:
    assert send(Webhook, settings, key="GPU 0", evidence={"state": "x", "_picture": "/p"}) != ""
    ((_, body),) = robot.requests
    assert (body["severity"], body["host"]) == ("warning", "gpu-box")
    (alert,) = body["alerts"]
    assert (alert["kind"], alert["key"]) == ("worker_crashed", "GPU 0")
    assert alert["evidence"] == {"state": "x"}
