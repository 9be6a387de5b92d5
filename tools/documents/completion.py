"""Completion of the command line in shells, by shtab."""

from __future__ import annotations

import argparse
from pathlib import Path

import shtab

from seacod.cli import runbook
from seacod.cli.parser import make_parser
from seacod.proving.checks.registry import all_items
from seacod.proving.drills.catalogue import DRILLS

_FILES = {"files"}
_DIRECTORIES = {"output"}


def script(shell: str) -> str:
    """The script for bash or zsh."""
    parser = make_parser()
    _say_what_fits(parser, "")
    return shtab.complete(parser, shell)


def _choices() -> dict[str, list[str]]:
    """By argument, or by command and argument: what may stand there."""
    return {
        "items": list(all_items()),
        "drill name": list(DRILLS),
        "drills": list(DRILLS),
        "runbook name": list(runbook.read()),
    }


def _say_what_fits(parser: argparse.ArgumentParser, command: str) -> None:
    choices = _choices()
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, below in action.choices.items():
                _say_what_fits(below, name)
            continue
        what = f"{command} name" if action.dest == "name" else action.dest
        if what in choices:
            action.choices = choices[what]
        elif action.dest in _DIRECTORIES:
            action.complete = shtab.DIRECTORY  # type: ignore[attr-defined]
        elif action.type is Path or action.dest in _FILES:
            action.complete = shtab.FILE  # type: ignore[attr-defined]
