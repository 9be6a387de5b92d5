"""The directories of a service on this machine: settings first, then what systemd gives the unit,
then a place of the user's own (XDG), so that `--try` needs no root. Used by both sides and the
client.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seacod.config.schema import Settings
from seacod.errors import CannotWrite, ConfigError
from seacod.system.lasting import lasts
from seacod.system.text.words import reason

# What systemd gives a unit (RuntimeDirectory=).
ENV_RUNTIME = "RUNTIME_DIRECTORY"


@dataclass(frozen=True, slots=True)
class Paths:
    """Resolved directories; `make` creates those that are missing."""

    state: Path
    runtime: Path
    temp: Path
    models: Path

    @classmethod
    def resolve(cls, settings: Settings) -> Paths:
        """The directories of a service with these settings in this environment."""
        state = settings.paths.state_directory or _state_default()
        return cls(
            state=state,
            runtime=settings.paths.runtime_directory or _runtime_default(),
            temp=settings.paths.temp_directory or state / "uploads",
            models=settings.asr.models_directory or state / "models",
        )

    @classmethod
    def told(cls, status: dict[str, Any]) -> Paths:
        """The directories a running service has told, whose environment may differ from ours."""
        return cls(**{name: Path(path) for name, path in status["paths"].items()})

    @property
    def gradio(self) -> Path:
        """Where Gradio would keep uploads; it gets none (`web/page/gradio_page.py`)."""
        return self.temp / "gradio"

    @property
    def jobs(self) -> Path:
        """Batches: their recordings and their results."""
        return self.state / "jobs"

    @property
    def usage(self) -> Path:
        """Who used what, by day (`usage/ledger.py`)."""
        return self.state / "usage.sqlite3"

    @property
    def sessions(self) -> Path:
        """Who is logged in at the page."""
        return self.state / "sessions"

    @property
    def pause(self) -> Path:
        """That an operator has paused the service (`pause.py`)."""
        return self.state / "pause.json"

    @property
    def runtime_lock(self) -> Path:
        """Held by the service whose runtime directory it is (`supervisor/lock.py`)."""
        return self.runtime / "lock"

    @property
    def state_lock(self) -> Path:
        """Held by the service whose state directory it is."""
        return self.state / "state.lock"

    @property
    def status_socket(self) -> Path:
        """Where `seacod status` finds the supervisor."""
        return self.runtime / "status.sock"

    @property
    def address(self) -> Path:
        """Where it takes requests, for whoever may not ask the supervisor."""
        return self.runtime / "address"

    @property
    def shared_load(self) -> Path:
        """What the workers tell each other (`shared_load.py`)."""
        return self.runtime / "shared-load"

    @property
    def with_model(self) -> Path:
        """Which recordings are with each worker's model (`with_model.py`)."""
        return self.runtime / "with-model"

    def worker_socket(self, slot: str) -> Path:
        """Where one of several workers answers the supervisor's probe."""
        return self.runtime / f"{slot}.sock"

    @property
    def page_socket(self) -> Path:
        """Where the worker finds what the supervisor knows, for the page's system tab."""
        return self.runtime / "page.sock"

    def make(self) -> None:
        """Create what is missing, readable by the service's user and group only.

        Raises:
            CannotWrite: a directory cannot be made or written to for now.
            ConfigError: one can never be made, or the runtime directory is another user's.
        """
        for path in (self.state, self.runtime, self.temp, self.models):
            try:
                path.mkdir(parents=True, exist_ok=True, mode=0o750)
            except OSError as error:
                why, chinese = reason(error)
                raise (ConfigError if lasts(error) else CannotWrite)(
                    f"{path}: this directory cannot be created: {why}; make it for the "
                    "user that runs seacod, or choose another under paths:",
                    f"{path}：无法创建该目录：{chinese}；请为运行 seacod 的用户创建，"
                    "或在 paths: 下另选目录",
                ) from None
            if not os.access(path, os.W_OK | os.X_OK):
                raise CannotWrite(
                    f"{path}: cannot be written to; see whether its file system is read-only "
                    "(findmnt -T) and whom it belongs to (ls -ld)",
                    f"{path}：无法写入；请检查文件系统是否只读（findmnt -T）以及目录属主（ls -ld）",
                )
        # The fallback lies in a directory everybody may write to: somebody may have been first.
        status = self.runtime.lstat()
        if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid():
            raise ConfigError(
                f"{self.runtime}: belongs to another user; set paths.runtime_directory to a "
                "directory of your own",
                f"{self.runtime}：属于其他用户；请将 paths.runtime_directory 设为自己的目录",
            )
        if status.st_mode & stat.S_IWOTH:
            raise ConfigError(
                f"{self.runtime}: everybody may write there, and commands would not believe what "
                f"answers there; run: chmod o-w {self.runtime}",
                f"{self.runtime}：任何人可写，命令行将不信任其中的应答；"
                f"请执行 chmod o-w {self.runtime}",
            )


def _state_default() -> Path:
    systemd = os.environ.get("STATE_DIRECTORY")
    if systemd:
        return Path(systemd.split(":")[0])
    base = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(base) / "seacod"


def _runtime_default() -> Path:
    systemd = os.environ.get(ENV_RUNTIME)
    if systemd:
        return Path(systemd.split(":")[0])
    base = os.environ.get("XDG_RUNTIME_DIR")
    if base:
        return Path(base) / "seacod"
    if os.getuid() == 0:
        # What root believes lies where nobody else can have been first.
        return Path("/run/seacod-try")
    return Path("/tmp") / f"seacod-{os.getuid()}"  # noqa: S108  # made for its user alone
