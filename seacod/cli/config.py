"""`seacod config check|show|example`: the configuration as the service reads it."""

from __future__ import annotations

import argparse
from pathlib import Path

from seacod.alerts.channels.registry import problems
from seacod.cli.options import add_command, add_commands, add_config
from seacod.config import render
from seacod.config.load import find_file, load_settings
from seacod.config.reach import check as check_reach
from seacod.errors import EX_OK, BadRequest
from seacod.system.text.terminal import print_words

HELP = "look at the configuration"


def add(parser: argparse.ArgumentParser) -> None:
    commands = add_commands(parser)
    for name, text, run in (
        ("check", "check a configuration file; exit 78 if wrong", check),
        ("show", "print the effective values", show),
    ):
        command = add_command(commands, name, text, run)
        command.add_argument("file", type=Path, nargs="?", help="default: the one the service uses")
        add_config(command)
    add_command(commands, "example", "print the commented file with all defaults", example)


def check(options: argparse.Namespace) -> int:
    """Whether the service can use the file.

    Raises:
        ConfigError: it cannot.
    """
    from seacod.asr.replacements import current as replacements
    from seacod.models import registry as models

    named = _named(options)
    settings = load_settings(named)
    of_asr = [*models.problems(settings), *replacements.problems(settings)]
    check_reach(settings, named, problems(settings.alerts), of_asr)
    file = find_file(named)
    english = f"{file or 'defaults (there is no configuration file)'}: good"
    chinese = f"{file or '内置默认值（没有配置文件）'}：正确"
    print_words(english, chinese)
    return EX_OK


def show(options: argparse.Namespace) -> int:
    """Every setting with the value that applies."""
    print(render.show(load_settings(_named(options))), end="")
    return EX_OK


def _named(options: argparse.Namespace) -> Path | None:
    """The file, by itself or after --config as with other commands."""
    if options.file is not None and options.config is not None:
        raise BadRequest(
            f"{options.file} and --config {options.config}: name one file",
            f"{options.file} 与 --config {options.config}：请只指定一个文件",
        )
    named: Path | None = options.file or options.config
    return named


def example(options: argparse.Namespace) -> int:
    """The file with all defaults."""
    print(render.example(), end="")
    return EX_OK
