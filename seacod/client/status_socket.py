"""Asks a running service on this machine through its status socket. Used by the commands."""

from __future__ import annotations

import json
import os
import signal
import socket
import time
from pathlib import Path
from typing import Any

from seacod.config import load_settings
from seacod.config.schema import Settings
from seacod.errors import ConfigError, NotRunning, SeacodError
from seacod.paths import Paths

_TIMEOUT_SECONDS = 5.0
_POLL_SECONDS = 0.1
# Where the installed service has it (RuntimeDirectory=seacod in the unit).
_INSTALLED = Path("/run/seacod/status.sock")


def status(config: Path | None = None) -> dict[str, Any]:
    """The snapshot of the first service that answers; see `find`.

    Raises:
        NotRunning: none answers.
    """
    return find(config)[1]


def find(config: Path | None = None) -> tuple[Path, dict[str, Any]]:
    """Status socket and snapshot of the first service that answers: the configured one, the
    installed one, one that this user tries (`install.sh --try`).

    Raises:
        NotRunning: none answers.
    """
    tried = []
    for path in _places(config):
        try:
            return path, status_at(path)
        except PermissionError:
            raise NotRunning(
                f"{path}: only root and members of the group seacod may ask the service",
                f"{path}：只有 root 和 seacod 组的成员可以查询服务状态",
            ) from None
        except (OSError, ValueError):
            tried.append(str(path))
    raise NotRunning(
        f"no seacod service answers here (tried {', '.join(tried)}); start one with "
        "'systemctl start seacod' or './install.sh --try'",
        f"本机没有正在运行的 seacod（已尝试 {'、'.join(tried)}）；请用 systemctl start seacod 或"
        " ./install.sh --try 启动",
    )


def status_at(path: Path) -> dict[str, Any]:
    """The snapshot of the service with this status socket.

    Raises:
        OSError: nobody answers.
        ValueError: what answers is not seacod.
    """
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


def reload(config: Path | None = None) -> dict[str, Any]:
    """Have the running service read its configuration anew; see `reload_at`."""
    return reload_at(find(config)[0])


def reload_at(path: Path) -> dict[str, Any]:
    """Have the service with this status socket read its configuration anew, and wait until that has
    an outcome.

    Returns:
        The reload's part of the snapshot: what was changed, and how it took effect.

    Raises:
        NotRunning: it ended meanwhile.
        ConfigError: the new configuration was refused; the one before stays in use.
    """
    before = _status_of(path)
    try:
        os.kill(before["pid"], signal.SIGHUP)
    except PermissionError:
        raise SeacodError("only root and the service's own user may reload it") from None
    while True:
        told: dict[str, Any] = _status_of(path)["reload"]
        if told["number"] > before["reload"]["number"] and told["state"] != "running":
            break
        time.sleep(_POLL_SECONDS)
    if told["state"] == "refused":
        raise ConfigError(
            f"{told['problem']}\nthe previous settings stay in use",
            f"{told['problem']}\n继续使用之前的配置",
        )
    return told


def _status_of(path: Path) -> dict[str, Any]:
    try:
        return status_at(path)
    except (OSError, ValueError):
        raise NotRunning(
            f"the service of {path} has ended meanwhile", f"{path} 的服务已退出"
        ) from None


def _places(config: Path | None) -> list[Path]:
    """Where a status socket may be, the likeliest first."""
    places = [_INSTALLED, Paths.resolve(Settings()).status_socket]
    try:
        places.insert(0, Paths.resolve(load_settings(config)).status_socket)
    except ConfigError:
        # A service that runs can be asked even while somebody edits its file.
        if config is not None:
            raise
    return list(dict.fromkeys(places))
