"""The command `seacod`: the edge where errors become sentences and exit codes.

`commands/arguments.py` has what can be typed, `commands/calls.py` what is then called.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

from seacod import terminal
from seacod.commands.arguments import make_parser
from seacod.errors import EX_FAILURE, EX_INTERRUPTED, SeacodError


def main(arguments: list[str] | None = None) -> None:
    """The command `seacod`; exits with the command's code."""
    options = make_parser().parse_args(arguments)
    sys.exit(at_the_edge(lambda: options.call(options)))


def at_the_edge(call: Callable[[], int]) -> int:
    """The exit code of `call`; what it raises becomes a sentence and the right code."""
    try:
        return call()
    except SeacodError as error:
        _complain(error)
        return error.exit_code
    except BrokenPipeError:
        # The reader of our output (head, less) has gone; that is no failure to talk about.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return EX_FAILURE
    except KeyboardInterrupt:
        return EX_INTERRUPTED


def _complain(error: SeacodError) -> None:
    """An error for a person: English and, where the locale is Chinese, Chinese."""
    # journald takes the priority from this prefix; on a terminal it would only be noise.
    prefix = "<3>" if os.environ.get("JOURNAL_STREAM") else ""
    for line in error.sentence(terminal.language()).splitlines():
        print(f"{prefix}seacod: {line}", file=sys.stderr)
