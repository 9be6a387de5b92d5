"""What somebody types at a terminal: `seacod ...` in a process of its own.

Most of what a command takes is the start of Python and the import of the same libraries again, and
the tests type hundreds. So the process is forked from one that has imported them. Commands whose
start is what a test is about (streams, encodings, users) are started by that test.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO

from supervised import PATIENCE_SECONDS, ROOT

_AHEAD = Path(__file__).parent / "commands_ahead.py"
_LANGUAGE = ("LANG", "LC_")
_one_at_a_time = threading.Lock()
_socket: socket.socket | None = None


def seacod(
    *words: str | Path,
    given: str = "",
    directory: Path = ROOT,
    timeout_seconds: float = PATIENCE_SECONDS,
    **environment: str,
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end.

    Args:
        words: what follows `seacod`.
        given: its standard input.
        directory: where it is typed.
        timeout_seconds: the longest it may take.
        environment: variables besides those of this process, whose language is not passed on.

    Raises:
        subprocess.TimeoutExpired: it took longer, and is killed.
    """
    known = {name: value for name, value in os.environ.items() if not name.startswith(_LANGUAGE)}
    told = {
        "words": [str(word) for word in words],
        "environment": {**known, "PYTHONPATH": str(ROOT), "LANG": "C.UTF-8", **environment},
        "directory": str(directory),
    }
    with _one_at_a_time, _streams(given) as files:
        ahead, pid = _begun(), None
        ahead.settimeout(timeout_seconds)
        try:
            socket.send_fds(ahead, [json.dumps(told).encode()], [one.fileno() for one in files])
            answers = ahead.makefile("r")
            pid = int(answers.readline())
            code = int(answers.readline())
        except BaseException as error:
            # What it still answers is not for the next one.
            if pid is not None:
                os.kill(pid, signal.SIGKILL)
            _end()
            if isinstance(error, TimeoutError):
                raise subprocess.TimeoutExpired(told["words"], timeout_seconds) from None
            raise
        said = []
        for one in files[1:]:
            one.seek(0)
            said.append(one.read().decode("utf-8", "replace"))
    return subprocess.CompletedProcess(told["words"], code, *said)


@contextlib.contextmanager
def _streams(given: str) -> Iterator[list[IO[bytes]]]:
    with contextlib.ExitStack() as stack:
        files = [stack.enter_context(TemporaryFile()) for _ in range(3)]
        files[0].write(given.encode())
        files[0].seek(0)
        yield files


def _begun() -> socket.socket:
    """The connection to the process that forks; it ends with this one, which then closes it."""
    global _socket
    if _socket is None:
        ours, theirs = socket.socketpair()
        with theirs:
            subprocess.Popen(
                [sys.executable, _AHEAD, str(theirs.fileno())], pass_fds=[theirs.fileno()],
                env={**os.environ, "PYTHONPATH": str(ROOT)}, stdin=subprocess.DEVNULL,
            )  # fmt: skip
        _socket = ours
    return _socket


def _end() -> None:
    global _socket
    if _socket is not None:
        _socket.close()
        _socket = None
