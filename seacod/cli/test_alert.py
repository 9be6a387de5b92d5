"""`seacod test-alert`: one test message through each channel, and what was answered."""

from __future__ import annotations

import argparse
import asyncio

from seacod.alerts.channels.registry import all_channels, configured, switches
from seacod.cli.options import add_config
from seacod.config.load import load_settings
from seacod.errors import EX_FAILURE, EX_OK, ConfigError
from seacod.system.text.terminal import print_words

HELP = "send a test message, and print the answer"


def add(parser: argparse.ArgumentParser) -> None:
    for name, channel in all_channels().items():
        parser.add_argument(
            f"--{name}", action="append_const", const=name, dest="channels", help=channel.about[0]
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
    from seacod.alerts.trial import send_test

    settings = load_settings(options.config).alerts
    channels = configured(settings)
    names = options.channels or list(channels)
    if not names:
        raise ConfigError(
            f"alerts: no channel is configured; set one of {switches()}",
            f"尚未配置任何告警渠道；请设置其中之一：{switches()}",
        )
    failures = 0
    for name in names:
        if name not in channels:
            print_words(f"{name}: not configured", f"{name}：未配置")
            failures += 1
            continue
        try:
            answer = asyncio.run(send_test(channels[name]))
        except Undelivered as error:
            print_words(f"{name}: not taken: {error.answer}", f"{name}：未接收：{error.chinese}")
            failures += 1
        else:
            print_words(f"{name}: taken: {answer}", f"{name}：已接收：{answer}")
    return EX_FAILURE if failures else EX_OK
