"""A DingTalk robot: Markdown, signed.

The signature is HMAC-SHA256 of "timestamp\\nsecret" with the secret, in Base64, as the robot's
documentation asks (open.dingtalk.com, custom robot, security settings). The robot answers 200 even
when it refuses; `errcode` tells.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
import urllib.parse
from collections.abc import Iterator, Sequence
from pathlib import Path

from seacod.alerts.alert import Message
from seacod.alerts.channels import http
from seacod.alerts.channels.base import Channel, Undelivered
from seacod.alerts.compose import Composed
from seacod.config.setting import Section, setting
from seacod.system.text.words import Words

# What a robot takes in one message is 20,000 bytes; Chinese characters are three each.
_LIMIT_BYTES = 18_000
# errcode of a robot that was told too much: 20 messages a minute are the limit.
_TOO_FAST = 130101


class DingTalkKeys(Section, applies="live"):
    """Its part of the section `alerts`."""

    dingtalk_url_file: Path | None = setting(
        None,
        "File with the address of a DingTalk robot (it holds a token)",
        "钉钉机器人地址文件（含令牌）",
        credential="dingtalk-url",
    )
    dingtalk_secret_file: Path | None = setting(
        None,
        "File with the robot's signing secret (SEC...)",
        "钉钉机器人加签密钥（SEC...）文件",
        credential="dingtalk-secret",
    )


class DingTalk(Channel[DingTalkKeys]):
    """The channel `dingtalk`."""

    name = "dingtalk"
    about = ("a robot in a DingTalk group", "钉钉群机器人")
    switch = "dingtalk_url_file"
    keys = DingTalkKeys

    async def send(self, composed: Composed, messages: Sequence[Message]) -> str:
        """Hand the message to the robot."""
        url, secret = self.secret("dingtalk_url_file"), self.secret("dingtalk_secret_file")
        if url is None:
            raise Undelivered(
                "the address of the robot is no longer configured",
                "机器人地址已不在配置中",
                is_ours=True,
            )
        if (problem := http.problem(url)) is not None:
            raise Undelivered(*problem, is_ours=True)
        text = composed.markdown.encode()[:_LIMIT_BYTES].decode("utf-8", "ignore")
        body = {"msgtype": "markdown", "markdown": {"title": composed.subject[:100], "text": text}}
        signed_url = sign(url, secret, int(time.time() * 1000)) if secret else url
        status, said = await http.post(signed_url, body)
        try:
            answer = json.loads(said)
            code = int(answer["errcode"])
        except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
            raise Undelivered(
                f"{status}: this is no answer of a DingTalk robot; is the address right?",
                f"{status}：应答不是来自钉钉机器人；地址是否正确？",
                is_ours=True,
            ) from None
        if code != 0:
            raise Undelivered(
                f"errcode {code}: {answer.get('errmsg', '')}", is_ours=code != _TOO_FAST
            )
        return f"errcode 0: {answer.get('errmsg', '')}"

    def problems(self) -> Iterator[tuple[str, Words]]:
        """An address that is none."""
        return http.problems(self, self.switch)


def sign(url: str, secret: str, timestamp_ms: int) -> str:
    """The robot's address with timestamp and signature."""
    digest = hmac.new(
        secret.encode(), f"{timestamp_ms}\n{secret}".encode(), hashlib.sha256
    ).digest()
    signature = urllib.parse.quote_plus(base64.b64encode(digest))
    joint = "&" if "?" in url else "?"
    return f"{url}{joint}timestamp={timestamp_ms}&sign={signature}"


CHANNEL = DingTalk
