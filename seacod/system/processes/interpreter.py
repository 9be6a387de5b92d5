"""The command line that starts another process with this Python."""

from __future__ import annotations

import sys


def python(*arguments: str) -> list[str]:
    """The command line of this interpreter with `-m` or `-c` and what follows.

    Python would look for modules in the working directory first: a directory named `seacod` there
    would be taken for us, and whoever may write there could run code as the service.
    """
    # -P came with 3.11; -I does the same and ignores PYTHON* variables besides.
    safely = "-P" if sys.version_info >= (3, 11) else "-I"
    return [sys.executable, safely, *arguments]
