"""`seacod reload`: the running service takes over its changed configuration."""

from __future__ import annotations

import argparse

from seacod.cli.options import add_config
from seacod.client import status_socket
from seacod.errors import EX_OK
from seacod.system.text.terminal import in_language, print_words

HELP = "apply the changed configuration, and print how each change took effect"


def add(parser: argparse.ArgumentParser) -> None:
    add_config(parser)


def run(options: argparse.Namespace) -> int:
    """Reload, and print how each changed key took effect.

    Raises:
        NotRunning: no service answers.
        ConfigError: the new configuration was refused.
    """
    told = status_socket.reload(options.config)
    for keys, words in (
        (told["live"], ("in use now", "已生效")),
        (told["replaced"], ("in use now, by a new worker", "已由新的识别进程采用")),
        (
            told["needs_restart"],
            ("only with: systemctl restart seacod", "需要 systemctl restart seacod"),
        ),
    ):
        for key in keys:
            print(f"{key}: {in_language(*words)}")
    if not (told["live"] or told["replaced"] or told["needs_restart"]):
        print_words("nothing has changed", "没有变化")
    return EX_OK
