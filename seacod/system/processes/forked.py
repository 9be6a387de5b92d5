"""The end of a forked child that is not to come back to what its parent was doing. Used by the
nursery of workers and by that of decoders, which fork without an exec."""

from __future__ import annotations

import contextlib
import os
import sys
import traceback
from collections.abc import Callable
from typing import NoReturn

from seacod.errors import EX_SOFTWARE


def end_with(act: Callable[[], int]) -> NoReturn:
    """Do what the child is for, and end with the code that it gives, or, with the trace on stderr,
    because it broke. Nothing that the parent has registered for its own end is run."""
    code = EX_SOFTWARE
    try:
        code = act()
    except BaseException:
        traceback.print_exc()
    finally:
        with contextlib.suppress(Exception):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)
