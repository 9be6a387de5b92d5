"""Section `alerts`: what concerns every channel, and the keys that each channel adds to it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import create_model

from seacod.alerts.channels.registry import all_channels
from seacod.config.setting import Section, setting

_LINK = r"^(https?://\S+)?$"
_LINK_FORM = (
    "an address that begins with http:// or https://",
    "以 http:// 或 https:// 开头的地址",
)


class GeneralAlertSettings(
    Section,
    applies="live",
    chinese="需要人工处理时通知谁；没有配置渠道则不通知，但日志中始终有全部记录",
):
    """Who is told when something needs an operator. Without a channel nobody is: the log
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
        "",
        "Address of the page, put into messages",
        "写入消息的网页地址",
        pattern=_LINK,
        form=_LINK_FORM,
    )
    dashboard_link: str = setting(
        "",
        "Address of the dashboard, put into messages",
        "写入消息的监控面板地址",
        pattern=_LINK,
        form=_LINK_FORM,
    )
    cool_down_seconds: float = setting(
        900.0,
        "The same alert again within so many seconds is counted, not sent",
        "同一告警在此时间内只计数、不重复发送（秒）",
        between=(0, 86_400),
    )
    gather_seconds: float = setting(
        3.0,
        "What comes within so many seconds goes out as one message",
        "在此时间内发生的告警合并为一条消息（秒）",
        between=(0, 600),
    )
    retry_hours: float = setting(
        72.0,
        "Hours for which a message that cannot be delivered is tried again",
        "无法送达时重试多久（小时）",
        between=(0.01, 720),
    )
    muted: str = setting(
        "",
        "Kinds of alerts that are not sent, separated by commas (seacod alerts --kinds lists them)",
        "不发送的告警种类，用逗号分隔（seacod alerts --kinds 可列出）",
    )
    error_rate_ratio: float = setting(
        0.1,
        "Share of requests failing on our side, within error_rate_window_seconds, that is an alert",
        "error_rate_window_seconds 内服务端失败请求占比达到多少时告警",
        between=(0.001, 1),
    )
    error_rate_window_seconds: float = setting(
        300.0,
        "Seconds over which error_rate_ratio is computed",
        "失败率的统计窗口（秒）",
        between=(10, 86_400),
    )
    error_rate_min_requests: int = setting(
        20,
        "With fewer requests in that time the ratio means nothing",
        "窗口内请求少于该数时不计算失败率",
        between=(1, 1_000_000),
    )
    queue_full_seconds: float = setting(
        60.0,
        "A queue full for so many seconds is an alert",
        "队列持续占满多久告警（秒）",
        between=(1, 86_400),
    )
    wrong_logins: int = setting(
        20,
        "So many wrong passwords within ten minutes are an alert; 0 for never",
        "十分钟内密码错误达到多少次时告警；0 表示关闭",
        between=(0, 1_000_000),
    )
    stalled_seconds: float = setting(
        120.0,
        "Work that waits for so many seconds while the model makes no progress is an alert",
        "有任务等待而模型多久没有进展时告警（秒）；没有请求不算",
        between=(1, 86_400),
    )


if TYPE_CHECKING:
    AlertSettings = GeneralAlertSettings
else:
    # Each channel brings its own keys; of several bases the fields of the last come first.
    AlertSettings = create_model(
        "AlertSettings",
        __base__=(
            *(channel.keys for channel in reversed(all_channels().values())),
            GeneralAlertSettings,
        ),
        __doc__=GeneralAlertSettings.__doc__,
    )
