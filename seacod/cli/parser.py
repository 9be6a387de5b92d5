"""What can be typed: every command with its options.

A command is a module of `seacod/cli`: `HELP` (None for an internal one), `add(parser)` with its
options, `run(options)` with the exit code, and `IS_DAEMON = True` if it is the service itself; one
with commands of its own adds them instead of `run`. A new command is a new file. Help imports all
of them, so what is heavy is imported by `run`.

The man page and the shell completion are made from this parser (`tools/make_generated.py`).
"""

from __future__ import annotations

import argparse
import importlib
import pkgutil
from types import ModuleType

import seacod.cli
from seacod import __version__
from seacod.cli.options import Subparsers, add_command, add_commands

# Modules of `seacod/cli` that are no commands.
_OTHERS = frozenset(
    {
        "argument_words",
        "balancing",
        "fleet",
        "main",
        "options",
        "parser",
        "plan",
        "releases",
        "state_archive",
        "trial",
    }
)
# As help lists them; commands that are not named here come after them.
_ORDER = (
    "run", "worker", "status", "check", "drill", "soak", "reload", "pause", "resume", "alerts",
    "test-alert", "runbook", "crashes", "backup", "restore", "upgrade", "rollback", "transcribe",
    "watch", "mcp", "report", "usage", "dashboard", "haproxy", "config", "access", "bench", "model",
)  # fmt: skip


def make_parser(typed: str | None = None) -> argparse.ArgumentParser:
    """Every command and option.

    Args:
        typed: where it is the name of a command, only that one is there: it imports nothing of the
            others, so `seacod status` is quick and the supervisor small.
    """
    parser = argparse.ArgumentParser(
        prog="seacod", description="Chinese speech recognition as a dependable service."
    )
    parser.add_argument("--version", action="version", version=f"seacod {__version__}")
    add_package(add_commands(parser), seacod.cli, _ORDER, _OTHERS, typed)
    return parser


def add_package(
    commands: Subparsers,
    package: ModuleType,
    order: tuple[str, ...],
    others: frozenset[str] = frozenset(),
    typed: str | None = None,
) -> None:
    """The commands that are modules of a package.

    Args:
        commands: where they belong.
        package: whose modules they are.
        order: names, first to last; those that are not named follow.
        others: modules that are no commands.
        typed: the only one that is wanted, if it is one of them.
    """
    modules = sorted(one.name for one in pkgutil.iter_modules(package.__path__))
    names = [name.replace("_", "-") for name in modules if name not in others]
    if typed in names:
        names = [typed]
    for name in sorted(names, key=lambda name: (*order, name).index(name)):
        module = importlib.import_module(f"{package.__name__}.{name.replace('-', '_')}")
        run, is_daemon = getattr(module, "run", None), getattr(module, "IS_DAEMON", False)
        module.add(add_command(commands, name, module.HELP, run, is_daemon=is_daemon))
