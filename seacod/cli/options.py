"""Options that several commands have, and commands below a command."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from seacod.client.calls import FormatFields

Subparsers = Any  # argparse's type is private


def add_config(parser: argparse.ArgumentParser) -> None:
    """--config: the configuration file."""
    parser.add_argument("--config", type=Path, help="configuration file")


def add_json(parser: argparse.ArgumentParser, text: str = "as one JSON object") -> None:
    """--json: for programs."""
    parser.add_argument("--json", action="store_true", help=text)


def add_wanted(parser: argparse.ArgumentParser) -> None:
    """What somebody wants of a recording and of its texts; `wanted_of` reads it."""
    parser.add_argument("--hotwords", default="", help="words separated by blanks or commas")
    parser.add_argument(
        "--speakers", default="", metavar="HOW_MANY",
        help="who speaks: true (their number is estimated), a number, or a range such as 2-4",
    )  # fmt: skip
    parser.add_argument(
        "--track", default="", metavar="NUMBER",
        help="which audio track is heard, from 1, or all (the one a player would take)",
    )  # fmt: skip
    parser.add_argument(
        "--channels", default="", metavar="HOW",
        help="auto, mix or split: each channel by itself (auto: where they hold different voices)",
    )  # fmt: skip
    parser.add_argument(
        "--max-line-characters", type=int, metavar="NUMBER",
        help="in a line of a subtitle, of two (20 Chinese or 42 Latin ones)",
    )  # fmt: skip
    parser.add_argument(
        "--max-cue-seconds", type=float, metavar="SECONDS", help="how long a subtitle is shown (7)"
    )
    parser.add_argument(
        "--show-warnings", action="store_true", default=None,
        help="texts begin with what a reader ought to know, which is told on standard error anyway",
    )  # fmt: skip


def wanted_of(options: argparse.Namespace) -> FormatFields:
    """The fields of a request that the options of `add_wanted` mean."""
    return {
        "hotwords": options.hotwords,
        "speakers": options.speakers,
        "track": options.track,
        "channels": options.channels,
        "max_line_characters": options.max_line_characters,
        "max_cue_seconds": options.max_cue_seconds,
        "show_warnings": options.show_warnings,
    }


def add_url(parser: argparse.ArgumentParser) -> None:
    """--url: of the service that is asked."""
    parser.add_argument("--url", help="address of the service; default: the one on this machine")


def add_key(parser: argparse.ArgumentParser, what: str = "API key") -> None:
    """--key: for a service that asks for one; `api_key` reads it."""
    parser.add_argument("--key", help=f"{what}; default: the environment's SEACOD_API_KEY")


def api_key(options: argparse.Namespace) -> str | None:
    """The API key: the option's, else the environment's, where other users do not see it."""
    key: str | None = options.key or os.environ.get("SEACOD_API_KEY")
    return key


def add_commands(parser: argparse.ArgumentParser) -> Subparsers:
    """Room for commands, one of which has to be named."""
    return parser.add_subparsers(title="commands", metavar="COMMAND", required=True)


def add_command(
    commands: Subparsers,
    name: str,
    text: str | None,
    run: Callable[[argparse.Namespace], int] | None = None,
    *,
    is_daemon: bool = False,
) -> argparse.ArgumentParser:
    """One command, or several under one name.

    Args:
        commands: where it belongs (`add_commands`).
        name: as it is typed.
        text: what it does; None for an internal one, which help does not list.
        run: called with its options; returns the exit code. None where commands follow.
        is_daemon: it is the service, not one who asks it.
    """
    shown = {"help": text, "description": text} if text else {}
    parser: argparse.ArgumentParser = commands.add_parser(name, **shown)
    if run is not None:
        parser.set_defaults(run=run, is_daemon=is_daemon)
    return parser
