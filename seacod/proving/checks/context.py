"""What the items look at: settings, the running service, its unit. Each is asked once."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import psutil

from seacod.client import NEVER, Client, Refused, status_socket
from seacod.client.answers import System
from seacod.config.load import OF_ADDRESSES, SettingsSource, find_file
from seacod.config.schema import Settings
from seacod.errors import ConfigClosed, NotAllowed, SeacodError
from seacod.paths import Paths
from seacod.proving import systemd
from seacod.proving.checks.item import Unseen
from seacod.system.text.words import Words
from seacod.transcript import Transcript

_AS_ROOT: Words = ("run it as root: sudo seacod check", "请以 root 运行：sudo seacod check")


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
            return self._source.read()
        except SeacodError as error:
            return error

    @functools.cached_property
    def _source(self) -> SettingsSource:
        """Where the service that answers reads its settings. A trial, or one that was started with
        options, has other settings than this machine's file says."""
        told = None if isinstance(self._asked, SeacodError) else self._asked["settings_from"]
        if told is None:
            return SettingsSource(self.config)
        source = SettingsSource.of_told(told)
        return replace(source, path=self.config or source.path)

    @property
    def is_placed(self) -> bool:
        """Whether something else than the file says where the service listens."""
        return not set(OF_ADDRESSES).isdisjoint(self._source.options)

    @property
    def config_error(self) -> SeacodError | None:
        """What is wrong with the configuration."""
        return self._read if isinstance(self._read, SeacodError) else None

    @property
    def is_config_closed(self) -> bool:
        """Whether this user may not read it; whatever depends on it is not known then."""
        return isinstance(self._read, ConfigClosed)

    @property
    def settings(self) -> Settings:
        """The settings of the service that answers, as a restart would read them; without one
        those of the file. The defaults when something is wrong with them.

        Raises:
            Unseen: this user may not read it.
        """
        if isinstance(self._read, ConfigClosed):
            raise Unseen(
                (f"not looked at: {self._read.message}", f"未检查：{self._read.chinese}"), _AS_ROOT
            )
        return Settings() if isinstance(self._read, SeacodError) else self._read

    @functools.cached_property
    def config_file(self) -> Path | None:
        """The file that applies."""
        if self.config_error:
            return None
        return find_file(self._source.path, default_file=self._source.default_file)

    @functools.cached_property
    def paths(self) -> Paths:
        """The directories of the service that answers, else the configured ones."""
        if self.no_service is None:
            return Paths.told(self.status)
        return Paths.resolve(self.settings)

    # -- the service ------------------------------------------------------------------------------

    @functools.cached_property
    def _asked(self) -> dict[str, Any] | SeacodError:
        try:
            return status_socket.status(self.config)
        except SeacodError as error:
            return error

    @functools.cached_property
    def open_url(self) -> str | None:
        """Where it takes requests, if it may not be asked itself; None where it may, or is not
        there."""
        if not isinstance(self._asked, NotAllowed):
            return None
        return status_socket.open_url(self.config)

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
        if isinstance(self._asked, NotAllowed):
            raise Unseen(
                ("not looked at: only root and members of the group seacod may ask the service",
                 "未检查：只有 root 和 seacod 组的成员可以查询服务状态"), _AS_ROOT,
            )  # fmt: skip
        if isinstance(self._asked, SeacodError):
            raise Unseen(("not looked at: no service answers", "未检查：没有正在运行的服务"))
        return self._asked

    @property
    def serving(self) -> dict[str, Any]:
        """What the supervisor says, given that a worker serves.

        Raises:
            Unseen: it does not.
        """
        if self.status["state"] != "serving":
            raise Unseen(("not looked at: no worker serves", "未检查：识别进程尚未就绪"))
        return self.status

    @property
    def pids(self) -> list[int]:
        """The process ids of supervisor and workers."""
        told = self.status
        beside = [told[name] for name in ("worker", "nursery", "replacement")]
        return [told["pid"], *(one["pid"] for one in beside if one and one["pid"])]

    @functools.cached_property
    def user(self) -> int:
        """The service's user id."""
        try:
            return int(psutil.Process(self.status["pid"]).uids().real)
        except psutil.Error:
            raise Unseen(("not looked at: the service has just ended", "服务刚刚退出")) from None

    @property
    def url(self) -> str:
        """Where it takes requests.

        Raises:
            Unseen: no service answers.
        """
        return self.open_url or str(self.status["url"])

    @property
    def served_model(self) -> str:
        """The model that answers.

        Raises:
            Unseen: none does.
        """
        if self.open_url is None:
            return str(self.serving["worker"]["model"])
        return self.system().model

    @functools.cached_property
    def client(self) -> Client:
        """Page and API, with the key if there is one."""
        return Client(self.url, self.key, retry=NEVER)

    def get(self, path: str) -> str:
        """What is at an address of the service.

        Raises:
            Unseen: it asks for a key, or answers something else.
        """
        with _answered(f"GET {path}"):
            return self.client.get(path).decode("utf-8", "replace")

    def system(self) -> System:
        """Model, versions and load as the API tells them.

        Raises:
            Unseen: it asks for a key, or refuses.
        """
        with _answered("GET /system"):
            return self.client.system()

    def transcribe(self, recording: bytes, words: str = "") -> Transcript:
        """What the service hears in a recording.

        Raises:
            Unseen: it asks for a key, or refuses.
        """
        with _answered("POST /transcribe"):
            return self.client.transcribe(("seacod-check", recording), hotwords=words)

    # -- systemd ----------------------------------------------------------------------------------

    @functools.cached_property
    def is_unit(self) -> bool:
        """Whether the service that answers is systemd's seacod.service."""
        if self.no_service is not None:
            return systemd.is_enabled(systemd.UNIT)
        return systemd.has_started(self.status["pid"])


@contextlib.contextmanager
def _answered(request: str) -> Iterator[None]:
    """A refusal is something that could not be looked at."""
    try:
        yield
    except Refused as error:
        if error.status == 401:
            raise Unseen(
                ("not looked at: the service asks for a key", "未检查：服务要求提供密钥"),
                ("give one with --key, or in SEACOD_API_KEY (seacod access key NAME makes one)",
                 "用 --key 或环境变量 SEACOD_API_KEY 提供密钥（seacod access key NAME 可生成）"),
            ) from None  # fmt: skip
        raise Unseen((
            f"{request}: answered {error.status}: {error.message}",
            f"{request} 返回 {error.status}：{error.chinese}",
        )) from None  # fmt: skip
