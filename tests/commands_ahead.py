"""Has imported what commands import, and forks a process for each one that is typed (`typed.py`).

    python commands_ahead.py DESCRIPTOR_OF_A_SOCKET

A message is the command as JSON, with its three standard streams; the answer is its process number
and then how it ended, as a line each.
"""

from __future__ import annotations

import json
import os
import socket
import sys
from typing import Any, NoReturn

import httpx  # noqa: F401
import yaml  # noqa: F401

import seacod.client
import seacod.config.schema
import seacod.proving.checks.registry  # noqa: F401
from seacod.cli.main import main
from seacod.cli.parser import make_parser

_LONGEST_MESSAGE_BYTES = 1 << 20


def serve(asked: socket.socket) -> None:
    """One command after the other, until nobody asks any more."""
    make_parser(None)
    while True:
        message, streams, _, _ = socket.recv_fds(asked, _LONGEST_MESSAGE_BYTES, 3)
        if not message:
            return
        pid = os.fork()
        if pid == 0:
            asked.close()
            _become(json.loads(message), streams)
        for stream in streams:
            os.close(stream)
        asked.sendall(f"{pid}\n".encode())
        _, status = os.waitpid(pid, 0)
        asked.sendall(f"{os.waitstatus_to_exitcode(status)}\n".encode())


def _become(told: dict[str, Any], streams: list[int]) -> NoReturn:
    """The command, as if it had been started; what was imported has set variables, too."""
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    os.environ.clear()
    os.environ.update(told["environment"], ORT_DISABLE_TELEMETRY="1")
    os.chdir(told["directory"])
    sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115
    sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", encoding="utf-8", closefd=False, buffering=1)  # noqa: SIM115
    # And it ends as one that was started: what it has begun is waited for.
    sys.exit(main(told["words"]))


if __name__ == "__main__":
    serve(socket.socket(fileno=int(sys.argv[1])))
