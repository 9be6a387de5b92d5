"""`seacod model fetch NAME`: a model from ModelScope, proved by loading it."""

from __future__ import annotations

import argparse

from seacod.cli.options import add_command, add_commands, add_config
from seacod.config import load_settings

HELP = "fetch models"


def add(parser: argparse.ArgumentParser) -> None:
    command = add_command(
        add_commands(parser), "fetch", "download a model and verify it by loading", fetch
    )
    command.add_argument("name", help="paraformer-zh, or a ModelScope id such as iic/...")
    add_config(command)


def fetch(options: argparse.Namespace) -> int:
    """Download one model.

    Raises:
        ModelUnavailable: it cannot be had, or does not load.
    """
    from seacod import logs
    from seacod.models.fetch import fetch_command

    settings = load_settings(options.config)
    # To standard error alone: the service's log file may belong to another user.
    logs.configure(settings.log.model_copy(update={"file": None}), "client")
    return fetch_command(options.name, settings)
