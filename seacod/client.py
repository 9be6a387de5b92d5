"""Asks a running service on this machine through its status socket. Used by the commands."""

from __future__ import annotations

import json
import os
import socket
from pathlib import Path
from typing import Any

from seacod.config.schema import Settings
from seacod.errors import NotRunning
from seacod.paths import Paths

_TIMEOUT_SECONDS = 5.0
# Where the installed service has it (RuntimeDirectory=seacod in the unit).
_INSTALLED = Path("/run/seacod/status.sock")


def status(settings: Settings) -> dict[str, Any]:
    """The snapshot of the first service that answers: the configured one, then the installed.

    Raises:
        NotRunning: none answers.
    """
    tried = []
    for path in dict.fromkeys([Paths.resolve(settings).status_socket, _INSTALLED]):
        try:
            return _read(path)
        except PermissionError:
            raise NotRunning(
                f"{path}: only root and members of the group seacod may ask the service"
            ) from None
        except (OSError, ValueError):
            tried.append(str(path))
    raise NotRunning(
        f"no seacod service answers here (tried {', '.join(tried)}); start one with "
        "'systemctl start seacod' or './install.sh --try'",
        f"本机没有正在运行的 seacod（已尝试 {'、'.join(tried)}）；请用 systemctl start seacod 或"
        " ./install.sh --try 启动",
    )


def _read(path: Path) -> dict[str, Any]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(_TIMEOUT_SECONDS)
        connection.connect(os.fspath(path))
        chunks = []
        while chunk := connection.recv(65536):
            chunks.append(chunk)
    answer = json.loads(b"".join(chunks))
    if not isinstance(answer, dict):
        raise ValueError("no status")
    return answer
