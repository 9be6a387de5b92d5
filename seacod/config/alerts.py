"""Section `alerts`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal

from pydantic import field_validator, model_validator

from seacod.config.setting import Section, setting

_LINK = r"^(https?://\S+)?$"
# What a mail server would refuse anyway; the full grammar of RFC 5322 is nobody's address.
_ADDRESS = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]+@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*")


def addresses(text: str) -> list[str]:
    """The mail addresses of a list with commas."""
    return [part.strip() for part in text.split(",") if part.strip()]


class AlertSettings(Section, applies="live"):
    """Who is told when something needs an operator. Without a server or a robot nobody is: the log
    has everything all the same."""

    language: Literal["zh", "en"] = setting(
        "zh", "Language of the messages: zh or en", "消息语言：zh 或 en"
    )
    name: str = setting(
        "",
        "What messages call this machine; empty: its host name",
        "消息中本机的名称；留空表示主机名",
        max_length=100,
    )
    page_link: str = setting(
        "", "Address of the page, put into messages", "写入消息的网页地址", pattern=_LINK
    )
    dashboard_link: str = setting(
        "", "Address of the dashboard, put into messages", "写入消息的监控面板地址", pattern=_LINK
    )
    mail_server: str = setting(
        "",
        "Host name of the mail server; empty: no mail",
        "邮件服务器主机名；留空表示不发邮件",
        pattern=r"^[A-Za-z0-9._:-]*$",
    )
    mail_port: int = setting(
        0,
        "Its port; 0: 587 for starttls, 465 for tls, 25 for none",
        "端口；0 表示按加密方式取 587、465 或 25",
        ge=0,
        le=65535,
    )
    mail_security: Literal["starttls", "tls", "none"] = setting(
        "starttls",
        "starttls (refused by the server: not sent), tls from the first byte, or none",
        "starttls（服务器不支持则不发送）、tls 或 none（不加密）",
    )
    mail_ca_file: Path | None = setting(
        None,
        "Certificate authority of the mail server, where it is not a public one",
        "邮件服务器的私有 CA 证书",
    )
    mail_user: str = setting(
        "", "Login at the mail server; empty: none", "邮件服务器的登录名；留空表示不登录"
    )
    mail_password_file: Path | None = setting(
        None,
        "File with the password",
        "密码文件",
        credential="smtp-password",
    )
    mail_from: str = setting("", "Sender of the messages", "发件人地址")
    mail_to: str = setting("", "Receivers, separated by commas", "收件人地址，多个用逗号分隔")
    dingtalk_url_file: Path | None = setting(
        None,
        "File with the address of a DingTalk robot (it holds a token)",
        "钉钉机器人地址文件（含令牌）",
        credential="dingtalk-url",
    )
    dingtalk_secret_file: Path | None = setting(
        None,
        "File with the robot's signing secret (SEC...)",
        "钉钉机器人加签密钥文件",
        credential="dingtalk-secret",
    )
    webhook_url_file: Path | None = setting(
        None,
        "File with the address of a webhook that takes JSON",
        "通用 webhook 地址文件",
        credential="webhook-url",
    )
    cool_down_seconds: float = setting(
        900.0,
        "The same alert again within this time is counted, not sent",
        "同一告警在此时间内只计数、不重复发送（秒）",
        ge=0,
        le=86_400,
    )
    gather_seconds: float = setting(
        3.0,
        "What comes within this time goes out as one message",
        "在此时间内发生的告警合并为一条消息（秒）",
        ge=0,
        le=600,
    )
    retry_hours: float = setting(
        72.0,
        "How long a message that cannot be delivered is tried again",
        "无法送达时重试多久（小时）",
        ge=0.01,
        le=720,
    )
    muted: str = setting(
        "",
        "Kinds of alerts that are not sent, separated by commas (seacod alerts --kinds lists them)",
        "不发送的告警种类，用逗号分隔（seacod alerts --kinds 可列出）",
    )
    error_rate_ratio: float = setting(
        0.1,
        "Share of requests failing on our side, within error_rate_window_seconds, that is an alert",
        "服务端失败请求占比达到多少时告警",
        ge=0.001,
        le=1,
    )
    error_rate_window_seconds: float = setting(
        300.0, "See error_rate_ratio, in seconds", "失败率的统计窗口（秒）", ge=10, le=86_400
    )
    error_rate_min_requests: int = setting(
        20,
        "With fewer requests in the window the ratio means nothing",
        "窗口内请求少于该数时不计算失败率",
        ge=1,
        le=1_000_000,
    )
    queue_full_seconds: float = setting(
        60.0, "A queue full for so long is an alert", "队列持续占满多久告警（秒）", ge=1, le=86_400
    )
    stalled_seconds: float = setting(
        120.0,
        "Work waiting and the model not getting on for so long is an alert. No requests is none",
        "有任务等待而模型多久没有进展时告警（秒）；没有请求不算",
        ge=1,
        le=86_400,
    )

    @field_validator("mail_from", "mail_to")
    @classmethod
    def _addresses(cls, value: str) -> str:
        for address in addresses(value):
            if not _ADDRESS.fullmatch(address):
                raise ValueError(f"{address!r} is no mail address")
        return value

    @model_validator(mode="after")
    def _combinations(self) -> AlertSettings:
        if self.mail_server and not (self.mail_to and self.mail_from):
            missing = "mail_to" if not self.mail_to else "mail_from"
            raise ValueError(f"mail_server: needs alerts.{missing}, too")
        if len(addresses(self.mail_from)) > 1:
            raise ValueError("mail_from: must be one address")
        return self
