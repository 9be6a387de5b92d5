"""`seacod config check|show|example`: the configuration as the service reads it."""

from __future__ import annotations

import argparse
from pathlib import Path

from seacod.alerts.channels.registry import problems
from seacod.cli.options import add_command, add_commands
from seacod.config import load_settings, render
from seacod.config.load import find_file
from seacod.config.reach import check as check_reach
from seacod.errors import EX_OK

HELP = "look at the configuration"


def add(parser: argparse.ArgumentParser) -> None:
    commands = add_commands(parser)
    for name, text, run in (
        ("check", "check a configuration file; exit 78 if wrong", check),
        ("show", "print the effective values", show),
    ):
        command = add_command(commands, name, text, run)
        command.add_argument("file", type=Path, nargs="?", help="default: the one the service uses")
    add_command(commands, "example", "print the commented file with all defaults", example)


def check(options: argparse.Namespace) -> int:
    """Whether the service can use the file.

    Raises:
        ConfigError: it cannot.
    """
    from seacod.asr.replacements import current as replacements

    settings = load_settings(options.file)
    check_reach(settings, options.file, problems(settings.alerts), replacements.problems(settings))
    file = find_file(options.file)
    print(f"{file or 'defaults (there is no configuration file)'}: good")
    return EX_OK


def show(options: argparse.Namespace) -> int:
    """Every setting with the value that applies."""
    print(render.show(load_settings(options.file)), end="")
    return EX_OK


def example(options: argparse.Namespace) -> int:
    """The file with all defaults."""
    print(render.example(), end="")
    return EX_OK
