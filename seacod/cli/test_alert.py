"""`seacod test-alert`: one test message through each channel, and what was answered."""

from __future__ import annotations

import argparse
import asyncio

from seacod.cli.options import add_config
from seacod.config import load_settings
from seacod.errors import EX_FAILURE, EX_OK, ConfigError

HELP = "send a test message; says what was answered"


def add(parser: argparse.ArgumentParser) -> None:
    for name in ("mail", "dingtalk", "webhook"):
        parser.add_argument(
            f"--{name}", action="append_const", const=name, dest="channels", help="this channel"
        )
    add_config(parser)


def run(options: argparse.Namespace) -> int:
    """Send, through the channels named or all that are configured.

    Returns:
        0 when each of them took it, 1 otherwise.

    Raises:
        ConfigError: no channel is configured.
    """
    from seacod.alerts.channels.base import Undelivered
    from seacod.alerts.delivery import configured
    from seacod.alerts.trial import send_test

    settings = load_settings(options.config).alerts
    names = options.channels or configured(settings)
    if not names:
        raise ConfigError(
            "alerts: no channel is configured; set alerts.mail_server with mail_from and mail_to, "
            "or the address of a DingTalk robot or a webhook",
            "尚未配置任何告警渠道；请设置 alerts.mail_server、mail_from、mail_to，"
            "或钉钉机器人、webhook",
        )
    failures = 0
    for name in names:
        if name not in configured(settings):
            print(f"{name}: not configured")
            failures += 1
            continue
        try:
            answer = asyncio.run(send_test(name, settings))
        except Undelivered as error:
            print(f"{name}: not taken: {error.answer}")
            failures += 1
        else:
            print(f"{name}: taken: {answer}")
    return EX_FAILURE if failures else EX_OK
