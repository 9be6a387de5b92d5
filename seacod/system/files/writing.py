"""What cannot be written is an error with its sentence."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from seacod.errors import CannotWrite
from seacod.system.text.words import reason


@contextlib.contextmanager
def writing(path: object) -> Iterator[None]:
    """While a file is written.

    Raises:
        CannotWrite: the system refused.
    """
    try:
        yield
    except OSError as error:
        why, chinese = reason(error)
        raise CannotWrite(
            f"{path}: cannot be written: {why}", f"{path}：无法写入：{chinese}"
        ) from None


@contextlib.contextmanager
def making(path: object) -> Iterator[None]:
    """While a directory is made; raises as `writing`."""
    try:
        yield
    except OSError as error:
        why, chinese = reason(error)
        raise CannotWrite(
            f"{path}: cannot be made: {why}", f"{path}：无法创建：{chinese}"
        ) from None
