"""The service that drills and the soak run are for: what it says of itself, and what may be done to
it."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

from seacod.client import status_socket
from seacod.config.load import load_settings
from seacod.config.schema import Settings
from seacod.errors import ConfigError, NotRunning, SeacodError
from seacod.paths import Paths
from seacod.proving import sounds, systemd
from seacod.proving.load import ClientLoad
from seacod.system.text.words import state_in_chinese

_CLIENTS = 2
_POLL_SECONDS = 0.05
# Longer than any limit of the service's that a drill waits for: it has failed.
PATIENCE_SECONDS = 600.0

T = TypeVar("T")


class DrillFailed(SeacodError, code="drill_failed"):
    """The service did not do what it should have done."""


@dataclass(frozen=True, slots=True)
class LocalService:
    """A running service on this machine.

    Args:
        config: its configuration file; None for the default one.
        key: an API key, where it asks for one.
    """

    config: Path | None
    key: str | None

    @property
    def settings(self) -> Settings:
        return load_settings(self.config)

    @property
    def paths(self) -> Paths:
        return Paths.told(status_socket.status(self.config))

    @property
    def is_unit(self) -> bool:
        """Whether systemd started it, and will again."""
        return systemd.has_started(self.serving()["pid"])

    def status(self) -> dict[str, Any]:
        """What it says of itself; empty while it does not answer, or cannot be found because a
        drill has put a configuration there that is refused."""
        try:
            return status_socket.status(self.config)
        except (NotRunning, ConfigError):
            return {}

    def serving(self) -> dict[str, Any]:
        """What it says while it serves.

        Raises:
            NotRunning: there is no service.
            SeacodError: it does not serve; a drill would show nothing.
        """
        told = status_socket.status(self.config)
        if told["state"] != "serving":
            raise SeacodError(
                f"the service is {told['state']}; a drill needs one that is serving",
                f"服务状态为“{state_in_chinese(told['state'])}”；演练需从正常服务状态开始",
            )
        return told

    def load(self) -> ClientLoad:
        """Two clients that post a recording again and again: another one for each drill, since one
        that was with the model at two ends of a worker is refused."""
        url = urlsplit(self.serving()["url"])
        if url.scheme == "unix":
            raise SeacodError(
                "the service listens on a unix socket only; the load of a drill needs a TCP "
                "address, such as 127.0.0.1:7860 in server.listen",
                "服务仅监听 unix 套接字；演练需要 TCP 地址，"
                "例如在 server.listen 中加入 127.0.0.1:7860",
            )
        return ClientLoad(
            url.port or 80, host=url.hostname or "127.0.0.1", clients=_CLIENTS, key=self.key,
            recording=sounds.fresh_sentence(), pause_after_503_seconds=0.1,
        )  # fmt: skip

    def signal(self, pid: int, number: signal.Signals) -> None:
        """Send a signal to one of the service's processes.

        Raises:
            SeacodError: this user may not.
        """
        try:
            status_socket.signal_at(status_socket.find(self.config)[0], pid, number)
        except PermissionError:
            raise SeacodError(
                f"process {pid} belongs to the service's user; run the drill as root",
                f"进程 {pid} 属于服务用户；请以 root 运行演练",
            ) from None
        except ProcessLookupError:
            raise DrillFailed(f"process {pid} has already exited", f"进程 {pid} 已退出") from None


def wait_for(condition: Callable[[], T], what: str) -> T:
    """The condition's first true value.

    Raises:
        DrillFailed: it never became true.
    """
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        if value := condition():
            return value
        time.sleep(_POLL_SECONDS)
    raise DrillFailed(
        f"waited {PATIENCE_SECONDS:.0f} s for {what} in vain; see journalctl -u seacod",
        f"等待 {PATIENCE_SECONDS:.0f} 秒后仍未出现预期的结果；请查看 journalctl -u seacod",
    )
