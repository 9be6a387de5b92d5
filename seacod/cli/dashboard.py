"""`seacod dashboard`: the Grafana dashboard, which tools/make_generated.py has made."""

from __future__ import annotations

import argparse
from importlib import resources

from seacod.errors import EX_OK

HELP = "print the Grafana dashboard, to be imported"


def add(parser: argparse.ArgumentParser) -> None:
    pass


def run(options: argparse.Namespace) -> int:
    made = resources.files("seacod.metrics").joinpath("dashboard.json")
    print(made.read_text("utf-8"), end="")
    return EX_OK
