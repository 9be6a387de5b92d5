"""The settings in use: one holder, asked by every part of the supervisor each time it needs one.

A reload takes effect here first. When no worker gets ready with the new ones, the settings go back.
"""

from __future__ import annotations

from collections.abc import Callable

import structlog

from seacod.config import changes
from seacod.config.changes import Changes
from seacod.config.in_use import SettingsInUse
from seacod.config.reach import log_file_problem, no_log_file
from seacod.config.schema import Settings
from seacod.config.secrets import remember_all
from seacod.paths import Paths
from seacod.supervisor.replica import Replica

log = structlog.get_logger(__name__)


class SettingsHolder(SettingsInUse):
    """Holds the settings of one service.

    Args:
        settings: those to begin with.
        read: reads them anew; raises `ConfigError` when they are wrong.
    """

    def __init__(self, settings: Settings, read: Callable[[], Settings]) -> None:
        super().__init__(settings)
        self.paths = Paths.resolve(settings)
        self._read = read
        remember_all(settings)
        # Those that workers are known to serve with, while a reload is on its way to them.
        self._proven: Settings | None = None

    def for_worker(self, replica: Replica) -> Settings:
        """What a worker of this replica is given: the directories are filled in, so that both
        sides use the same."""
        paths = self.current.paths.model_copy(
            update={
                "state_directory": self.paths.state,
                "runtime_directory": self.paths.runtime,
                "temp_directory": self.paths.temp,
            }
        )
        asr = self.current.asr.model_copy(update={"models_directory": self.paths.models})
        return replica.settings(self.current.model_copy(update={"paths": paths, "asr": asr}))

    def reload(self, *, brings_workers: bool = False) -> Changes:
        """Read the settings anew and take them over, save those that need a restart.

        Args:
            brings_workers: new workers start with them even where no key asks for that.

        Returns:
            What differs. With new workers the settings are on trial until `settle` or `go_back`.

        Raises:
            ConfigError: the new settings are wrong; nothing has changed.
        """
        fresh = self._read()
        remember_all(fresh)
        changed = changes.compare(self.current, fresh)
        # Asked of what is new only: a service goes on with a log file that was taken from it.
        if fresh.log != self.current.log and (problem := log_file_problem(fresh.log)) is not None:
            raise no_log_file(problem)
        if changed.restart:
            log.warning(
                "restart_needed",
                keys=list(changed.restart),
                hint="these take effect with: systemctl restart seacod",
            )
            fresh = changes.without(fresh, self.current, changed.restart)
        if changed.replace or brings_workers:
            self._proven = self._proven or self.current
        elif self._proven is not None:
            live = changes.values(fresh, changed.live)
            self._proven = changes.with_values(self._proven, live)
        self.current = fresh
        return changed

    def settle(self) -> None:
        """Workers serve with the present settings."""
        self._proven = None

    def go_back(self) -> None:
        """No worker gets ready with the present settings: those before are in use again."""
        if self._proven is not None:
            self.current, self._proven = self._proven, None

    def return_to(self, before: Settings) -> None:
        """A reload broke off: what was in use when it began is in use again."""
        self.current = before
        if self._proven is before:
            self._proven = None
