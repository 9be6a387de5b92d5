"""The command `seacod`: the edge where errors become sentences and exit codes.

`parser.py` has what can be typed; each other module of this folder is a command.
"""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable

from seacod.cli.argument_words import teach_argparse
from seacod.cli.parser import make_parser
from seacod.config.load import ENV_DEBUG
from seacod.errors import EX_CANTCREAT, EX_FAILURE, EX_INTERRUPTED, EX_SOFTWARE, SeacodError
from seacod.system.processes import surroundings
from seacod.system.text import terminal
from seacod.system.text.words import reason

_NOT_WRITTEN = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO})


def main(arguments: list[str] | None = None) -> None:
    """The command `seacod`; exits with the command's code."""
    surroundings.make_sure_of()
    terminal.guard_output()
    teach_argparse()
    words = sys.argv[1:] if arguments is None else arguments
    try:
        options = make_parser(words[0] if words else None).parse_args(words)
    except KeyboardInterrupt:
        # While the libraries of the command are imported, which takes half a second of some.
        sys.exit(EX_INTERRUPTED)
    sys.exit(at_the_edge(lambda: options.run(options), is_daemon=options.is_daemon))


def at_the_edge(call: Callable[[], int], *, is_daemon: bool = False) -> int:
    """The exit code of `call`; what it raises becomes a sentence and the right code.

    Args:
        call: the command.
        is_daemon: an unexpected error is raised, for the journal; people get a sentence.
    """
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
    except Exception as error:
        if is_daemon or os.environ.get(ENV_DEBUG):
            raise
        if _is_of_output(error):
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            why, chinese = reason(error)
            _complain(SeacodError(
                f"the output cannot be written: {why}", f"无法写入输出：{chinese}"
            ))  # fmt: skip
            return EX_CANTCREAT
        if isinstance(error, OSError) and error.filename is not None and error.strerror:
            # A file that is not what it should be says enough.
            why, chinese = reason(error)
            _complain(SeacodError(f"{error.filename}: {why}", f"{error.filename}：{chinese}"))
            return EX_FAILURE
        _complain(_unforeseen(error))
        return EX_SOFTWARE


def _is_of_output(error: Exception) -> bool:
    """Whether a disk took no more of what is printed: files of ours have their names with them."""
    return isinstance(error, OSError) and error.filename is None and error.errno in _NOT_WRITTEN


def _unforeseen(error: Exception) -> SeacodError:
    words = f"{type(error).__name__}: {error}"
    return SeacodError(
        f"unexpected error ({words}); please report it, with what it prints under {ENV_DEBUG}=1",
        f"发生了未预料的错误（{words}）；请设置 {ENV_DEBUG}=1 重试并反馈输出",
    )


def _complain(error: SeacodError) -> None:
    """An error for a person: English and, where the locale is Chinese, Chinese."""
    # journald takes the priority from this prefix; on a terminal it would only be noise.
    prefix = "<3>" if os.environ.get("JOURNAL_STREAM") else ""
    for line in error.sentence(terminal.language()).splitlines():
        print(f"{prefix}seacod: {terminal.printable(line)}", file=sys.stderr)
