"""Somebody who connects every few milliseconds, and counts who was refused."""

from __future__ import annotations

import contextlib
import socket
import threading

from supervised import PATIENCE_SECONDS

_PAUSE_SECONDS = 0.005


class Knocking:
    """Connects again and again for the time of the block.

    Args:
        where: a port of 127.0.0.1, or the path of a unix socket.
    """

    def __init__(self, where: int | str) -> None:
        self._where = where
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._knock, name="knocking")
        self.refused = self.let_in = 0

    def __enter__(self) -> Knocking:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        self._thread.join()

    def _knock(self) -> None:
        while not self._is_over.wait(_PAUSE_SECONDS):
            if is_refused(self._where):
                self.refused += 1
            else:
                self.let_in += 1


def is_refused(where: int | str) -> bool:
    """Whether nobody listens there."""
    is_unix = isinstance(where, str)
    with socket.socket(socket.AF_UNIX if is_unix else socket.AF_INET) as one:
        one.settimeout(PATIENCE_SECONDS)
        with contextlib.suppress(ConnectionResetError):
            try:
                one.connect(where if is_unix else ("127.0.0.1", where))
            except (ConnectionRefusedError, FileNotFoundError):
                return True
        return False
