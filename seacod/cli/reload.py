"""`seacod reload`: the running service takes over its changed configuration."""

from __future__ import annotations

import argparse

from seacod.cli.options import add_config
from seacod.client import status_socket
from seacod.errors import EX_OK

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
        (told["live"], "in use now"),
        (told["replaced"], "in use now, by a new worker"),
        (told["needs_restart"], "only with: systemctl restart seacod"),
    ):
        for key in keys:
            print(f"{key}: {words}")
    if not (told["live"] or told["replaced"] or told["needs_restart"]):
        print("nothing has changed")
    return EX_OK
