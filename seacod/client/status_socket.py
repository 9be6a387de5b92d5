"""Asks a running service on this machine through its status socket. Used by the commands.

Who answers is believed only where nobody else could: in a directory of its own, by the process that
listens there (SO_PEERCRED). A command that was given a place asks there and nowhere else.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import stat
import struct
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seacod.client.status_shape import completed
from seacod.config.keys import variable_name
from seacod.config.load import DEFAULT_FILE, ENV_FILE, find_file, load_settings
from seacod.config.schema import Settings
from seacod.errors import ConfigError, NotAllowed, NotRunning, SeacodError
from seacod.paths import ENV_RUNTIME, Paths
from seacod.system.processes.process_handle import ProcessHandle

_TIMEOUT_SECONDS = 5.0
_POLL_SECONDS = 0.1
_MAX_BYTES = 16 << 20
_SOCKET = "status.sock"
_ADDRESS = "address"
# Where the installed service has it (RuntimeDirectory=seacod in the unit).
_INSTALLED = Path("/run/seacod") / _SOCKET
# struct ucred: process, user, group (unix(7)).
_CREDENTIALS = struct.Struct("3i")


@dataclass(frozen=True, slots=True)
class Answer:
    """What a service said, and who it is by the kernel's word.

    Args:
        path: its status socket.
        pid: process id of the supervisor.
        user: its user id.
        status: the snapshot.
    """

    path: Path
    pid: int
    user: int
    status: dict[str, Any]


class NotBelieved(SeacodError, code="not_believed"):
    """Somebody else may have put there what answers."""


def status(config: Path | None = None) -> dict[str, Any]:
    """The snapshot of the service that answers; see `find`.

    Raises:
        NotRunning: none answers.
    """
    return find(config)[1]


def find(config: Path | None = None) -> tuple[Path, dict[str, Any]]:
    """Status socket and snapshot of a service: the one at the place that was given (a
    configuration, a directory), else the first that answers of the installed one and the one that
    this user tries (`install.sh --try`).

    Raises:
        NotRunning: none answers.
        NotAllowed: one does, and this user may not ask it.
        NotBelieved: at the place that was given, somebody else may have put it there.
        ConfigError: the configuration that was given is wrong.
    """
    tried = []
    places = _places(config)
    for path in places:
        try:
            return path, status_at(path)
        except PermissionError:
            raise NotAllowed(
                f"{path}: only root and members of the group seacod may ask the service",
                f"{path}：只有 root 和 seacod 组的成员可以查询服务状态",
            ) from None
        except NotBelieved as error:
            if len(places) == 1:
                raise
            tried.append(error.message)
        except (OSError, ValueError):
            tried.append(str(path))
    raise NotRunning(
        f"no seacod service answers here (tried {', '.join(tried)}); start one with "
        "'systemctl start seacod' or './install.sh --try'",
        f"本机没有正在运行的 seacod（已尝试 {'、'.join(tried)}）；请用 systemctl start seacod 或"
        " ./install.sh --try 启动",
    )


def url_of(config: Path | None = None) -> str:
    """Where a service on this machine takes requests; one that may not be asked has written that
    down for everybody.

    Raises:
        NotRunning: none answers.
        NotBelieved, ConfigError: as `find`.
    """
    try:
        return str(status(config)["url"])
    except NotAllowed:
        if (url := open_url(config)) is None:
            raise
        return url


def open_url(config: Path | None = None) -> str | None:
    """The address that a service has written down for whoever may not ask it; None where there is
    none that could be believed."""
    for path in _places(config):
        try:
            _owner(path.parent)
            text = (path.parent / _ADDRESS).read_text("utf-8").strip()
        except (OSError, ValueError, NotBelieved):
            continue
        if text.startswith("http://"):
            return text
    return None


def status_at(path: Path) -> dict[str, Any]:
    """The snapshot of the service with this status socket; raises as `ask`."""
    return ask(path).status


def ask(path: Path) -> Answer:
    """What the service with this status socket says.

    Raises:
        OSError: nobody answers.
        ValueError: what answers is not seacod.
        NotBelieved: it may be somebody else's.
    """
    owner = _owner(path.parent)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(_TIMEOUT_SECONDS)
        connection.connect(os.fspath(path))
        told = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
        pid, user, _ = _CREDENTIALS.unpack(told)
        if user not in (0, owner):
            raise NotBelieved(
                f"{path}: answered by user {user}, who is not the service's ({owner})",
                f"{path}：应答者为用户 {user}，不是服务用户（{owner}）",
            )
        answer = _read(connection)
    try:
        snapshot = json.loads(answer)
    except RecursionError:
        raise ValueError("no status") from None
    if not isinstance(snapshot, dict):
        raise ValueError("no status")
    return Answer(path, pid, user, completed(snapshot))


def signal_at(path: Path, pid: int, number: signal.Signals) -> None:
    """Send a signal to the supervisor of the service with this status socket, or to a worker of
    its; to no other process, whatever the number.

    Args:
        path: the status socket.
        pid: as the service has told it.

    Raises:
        ProcessLookupError: it has ended, or does not belong to the service.
        PermissionError: this user may not.
        OSError, ValueError, NotBelieved: as `ask`.
    """
    with ProcessHandle(pid) as process:
        # Asked while the process is held: who answers now is no earlier bearer of its number.
        service = ask(path)
        # Of the supervisor itself nothing more is asked: `systemctl reload` runs where systemd
        # hides it in /proc (PrivateUsers=, ProtectProc=invisible).
        if service.pid != pid:
            facts = process.facts()
            if facts.user != service.user or facts.parent != service.pid:
                raise ProcessLookupError(f"process {pid} does not belong to the service at {path}")
        process.send(number)


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
        ConfigError: the new configuration was refused; the previous one stays in use.
    """
    before = _answer_of(path)
    try:
        signal_at(path, before.pid, signal.SIGHUP)
    except PermissionError:
        raise SeacodError(
            "only root and the service's own user may reload it",
            "只有 root 和服务用户可以重载服务",
        ) from None
    except (OSError, ValueError):
        raise _has_ended(path) from None
    while True:
        told: dict[str, Any] = _answer_of(path).status["reload"]
        if told["number"] > before.status["reload"]["number"] and told["state"] != "running":
            break
        time.sleep(_POLL_SECONDS)
    if told["state"] == "refused":
        raise ConfigError(
            f"{told['problem']}\nthe previous settings stay in use",
            f"{told['problem_zh'] or told['problem']}\n继续使用之前的配置",
        )
    return told


def _answer_of(path: Path) -> Answer:
    try:
        return ask(path)
    except (OSError, ValueError):
        raise _has_ended(path) from None


def _has_ended(path: Path) -> NotRunning:
    return NotRunning(f"the service of {path} has ended meanwhile", f"{path} 的服务已退出")


def _read(connection: socket.socket) -> bytes:
    """All that is said, up to a length and a time that no service of ours needs."""
    chunks, size = [], 0
    deadline = time.monotonic() + _TIMEOUT_SECONDS
    while chunk := connection.recv(65536):
        chunks.append(chunk)
        size += len(chunk)
        if size > _MAX_BYTES or time.monotonic() > deadline:
            raise ValueError("no status: the answer is too long, or takes too long")
    return b"".join(chunks)


def _owner(directory: Path) -> int:
    """The user whose directory this is: whoever may put a socket there.

    Raises:
        OSError: there is none.
        NotBelieved: others may put something there, or may have put the directory there.
    """
    directory = Path(os.path.abspath(directory))
    status = directory.lstat()
    if not stat.S_ISDIR(status.st_mode):
        raise NotBelieved(f"{directory}: is no directory", f"{directory}：不是目录")
    if status.st_mode & stat.S_IWOTH:
        raise NotBelieved(
            f"{directory}: everybody may write there; run: chmod o-w {directory}",
            f"{directory}：任何人可写；请执行 chmod o-w {directory}",
        )
    known = (0, os.geteuid())
    if status.st_uid not in known and any(map(_is_open, directory.parents)):
        raise NotBelieved(
            f"{directory}: belongs to user {status.st_uid}, who may have put it there himself",
            f"{directory}：属于用户 {status.st_uid}，可能由其自行创建",
        )
    return status.st_uid


def _is_open(directory: Path) -> bool:
    """Whether anybody but root and us may put something there."""
    status = directory.stat()
    writable = status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    return bool(writable) or status.st_uid not in (0, os.geteuid())


def _places(config: Path | None) -> list[Path]:
    """Where a status socket may be: only the place that was given, if one was."""
    if _is_given(config):
        return [_place(config)]
    try:
        installed = load_settings(None).paths.runtime_directory
    except ConfigError:
        # A service that runs can be asked even while somebody edits its file.
        installed = None
    own = Paths.resolve(Settings()).status_socket
    return list(dict.fromkeys([installed / _SOCKET if installed else _INSTALLED, own]))


def _is_given(config: Path | None) -> bool:
    named = (ENV_FILE, ENV_RUNTIME, variable_name(("paths", "runtime_directory")))
    return config is not None or any(os.environ.get(name) for name in named)


def _place(config: Path | None) -> Path:
    try:
        settings = load_settings(config)
    except ConfigError:
        # `systemctl reload` asks the service itself, which tells what is wrong with its file.
        if config is not None or not os.environ.get(ENV_RUNTIME):
            raise
        return Paths.resolve(Settings()).status_socket
    file = find_file(config)
    is_installed = file is not None and file.resolve() == DEFAULT_FILE.resolve()
    if is_installed and not (settings.paths.runtime_directory or os.environ.get(ENV_RUNTIME)):
        # systemd gives it its directory, and not to us.
        return _INSTALLED
    return Paths.resolve(settings).status_socket
