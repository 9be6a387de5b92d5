"""`seacod bench ...`: one command for each file of `seacod/proving/bench`."""

from __future__ import annotations

import argparse

from seacod.cli.options import add_commands, add_json
from seacod.cli.parser import add_package
from seacod.proving import bench

HELP = "measure seacod on this machine, with a service of its own"
_ORDER = (
    "restart",
    "supervisor",
    "throughput",
    "long-audio",
    "live",
    "scaling",
    "engine",
    "precision",
    "gpu",
    "flood",
)


def add(parser: argparse.ArgumentParser) -> None:
    commands = add_commands(parser)
    add_package(commands, bench, _ORDER)
    for one in commands.choices.values():
        add_json(one)
