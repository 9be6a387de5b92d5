"""What a program takes for granted, and whoever starts it may have taken away: standard streams and
a working directory. Called first thing by `cli/main.py`."""

from __future__ import annotations

import os
import sys


def make_sure_of() -> None:
    """Both are there afterwards."""
    _standard_streams()
    _working_directory()


def _standard_streams() -> None:
    """Closed ones (`2>&-`, some schedulers): what is opened next would get their numbers, and be
    written to as if it were a terminal."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            # The lowest number that is free is this one.
            os.open(os.devnull, os.O_RDWR)
            os.set_inheritable(number, True)
        if getattr(sys, name) is None:
            mode = "w" if number else "r"
            setattr(sys, name, open(number, mode, encoding="utf-8", closefd=False))  # noqa: SIM115


def _working_directory() -> None:
    """One that was removed: oneMKL, for one, ends whoever loads it there."""
    try:
        os.getcwd()
    except OSError:
        os.chdir("/")
