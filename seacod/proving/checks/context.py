"""What the items look at: settings, the running service, its unit. Each is asked once."""

from __future__ import annotations

import functools
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil

from seacod import OWN_AGENT
from seacod.client import status_socket
from seacod.config import Settings, load_settings
from seacod.config.load import find_file
from seacod.errors import SeacodError
from seacod.paths import Paths
from seacod.proving.checks.item import Unseen

UNIT, SOCKET = "seacod.service", "seacod.socket"
# A command of systemd's that takes longer is not going to answer.
_COMMAND_SECONDS = 20.0
_HTTP_SECONDS = 60.0


@dataclass
class CheckContext:
    """The service to be checked.

    Args:
        config: the configuration file, if one was named.
        key: an API key, where the service asks for one.
        sends: whether a test message may be sent.
    """

    config: Path | None
    key: str | None
    sends: bool

    # -- configuration ----------------------------------------------------------------------------

    @functools.cached_property
    def _read(self) -> Settings | SeacodError:
        try:
            return load_settings(self.config)
        except SeacodError as error:
            return error

    @property
    def config_error(self) -> SeacodError | None:
        """What is wrong with the configuration."""
        return self._read if isinstance(self._read, SeacodError) else None

    @property
    def settings(self) -> Settings:
        """Those in the file; the defaults when it cannot be read."""
        return Settings() if isinstance(self._read, SeacodError) else self._read

    @functools.cached_property
    def config_file(self) -> Path | None:
        """The file that applies."""
        return None if self.config_error else find_file(self.config)

    @functools.cached_property
    def paths(self) -> Paths:
        """The service's own, where one answers."""
        if self.no_service is None:
            return Paths.told(self.status)
        return Paths.resolve(self.settings)

    # -- the service ------------------------------------------------------------------------------

    @functools.cached_property
    def _asked(self) -> dict[str, Any] | SeacodError:
        try:
            return status_socket.status(None if self.config_error else self.config)
        except SeacodError as error:
            return error

    @property
    def no_service(self) -> SeacodError | None:
        """Why no service answers."""
        return self._asked if isinstance(self._asked, SeacodError) else None

    @property
    def status(self) -> dict[str, Any]:
        """What the supervisor says of itself.

        Raises:
            Unseen: no service answers.
        """
        if isinstance(self._asked, SeacodError):
            raise Unseen(("not looked at: no service answers", "未检查：没有正在运行的服务"))
        return self._asked

    @property
    def serving(self) -> dict[str, Any]:
        """The same of a service that serves.

        Raises:
            Unseen: it does not.
        """
        if self.status["state"] != "serving":
            raise Unseen(("not looked at: no worker serves", "未检查：识别进程尚未就绪"))
        return self.status

    @property
    def pids(self) -> list[int]:
        """Of supervisor and workers."""
        told = self.status
        beside = [told[name] for name in ("worker", "spare", "replacement")]
        return [told["pid"], *(one["pid"] for one in beside if one and one["pid"])]

    @functools.cached_property
    def user(self) -> int:
        """The service's user id."""
        try:
            return int(psutil.Process(self.status["pid"]).uids().real)
        except psutil.Error:
            raise Unseen(("not looked at: the service has just ended", "服务刚刚退出")) from None

    @functools.cached_property
    def http(self) -> httpx.Client:
        """To page and API, with the key if there is one."""
        headers = {"User-Agent": f"{OWN_AGENT}-check"}
        if self.key:
            headers["Authorization"] = f"Bearer {self.key}"
        return httpx.Client(
            base_url=self.status["url"], headers=headers, timeout=_HTTP_SECONDS, trust_env=False
        )

    def get(self, path: str) -> httpx.Response:
        """An answer of the service that is no error.

        Raises:
            Unseen: it asks for a key, or answers something else.
        """
        return answered(self.http.get(path))

    # -- systemd ----------------------------------------------------------------------------------

    @functools.cached_property
    def is_unit(self) -> bool:
        """Whether the service that answers is systemd's seacod.service."""
        if self.no_service is not None:
            return systemctl("is-enabled", UNIT) == "enabled"
        return self.unit("MainPID") == str(self.status["pid"])

    def unit(self, name: str, unit: str = UNIT) -> str:
        """One property of a unit; empty where there is no systemd."""
        return systemctl("show", "-P", name, unit)


def answered(answer: httpx.Response) -> httpx.Response:
    """The answer, if it is no error.

    Raises:
        Unseen: it is.
    """
    if answer.status_code == 401:
        raise Unseen(
            ("not looked at: the service asks for a key", "未检查：服务要求提供密钥"),
            ("give one with --key, or in SEACOD_API_KEY (seacod access key NAME makes one)",
             "用 --key 或环境变量 SEACOD_API_KEY 提供密钥（seacod access key 名称 可生成）"),
        )  # fmt: skip
    if answer.status_code != 200:
        raise Unseen((
            f"{answer.request.method} {answer.request.url.path}: answered {answer.status_code}: "
            f"{answer.text[:200]}",
            f"{answer.request.method} {answer.request.url.path} 返回 {answer.status_code}",
        ))  # fmt: skip
    return answer


def systemctl(*arguments: str) -> str:
    """What systemctl prints; empty where there is none."""
    return output("systemctl", *arguments)[1]


def output(*command: str) -> tuple[int, str]:
    """Exit code and output of a command that only looks; -1 when it is not there or hangs."""
    if shutil.which(command[0]) is None:
        return -1, ""
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=_COMMAND_SECONDS,
            stdin=subprocess.DEVNULL,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return -1, ""
    return done.returncode, (done.stdout or done.stderr).strip()
