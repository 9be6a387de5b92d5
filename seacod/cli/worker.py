"""`seacod worker`: what the supervisor starts; nobody types it."""

from __future__ import annotations

import argparse

HELP = None
IS_DAEMON = True


def add(parser: argparse.ArgumentParser) -> None:
    pass


def run(options: argparse.Namespace) -> int:
    from seacod.worker.main import run_nursery

    return run_nursery()
