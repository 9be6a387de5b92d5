"""Where the routes find the jobs of their worker, which has none before it serves."""

from __future__ import annotations

from typing import TYPE_CHECKING

from seacod.config.in_use import SettingsInUse
from seacod.errors import NotReady

if TYPE_CHECKING:
    from seacod.jobs.runner import Jobs


class JobsGate:
    """Closed until the store of the jobs is open.

    Args:
        settings: those in use.
        jobs: of the worker.
    """

    def __init__(self, settings: SettingsInUse, jobs: Jobs) -> None:
        self.settings = settings
        self._jobs = jobs

    def open(self) -> Jobs:
        """The jobs.

        Raises:
            NotReady: the worker does not serve yet, or its store is closed.
            SeacodError: the store cannot be opened until an operator does something.
        """
        refusal = self._jobs.refusal
        if refusal is not None:
            if refusal.http_status == 500:
                # Such as one of the configuration, which has no status of its own.
                raise NotReady(refusal.message, refusal.chinese)
            raise refusal
        if not self._jobs.is_open:
            raise NotReady(
                "batches cannot be taken at present: the worker has just started, or their "
                "database cannot be used (its log says which); try again in a moment",
                "暂时无法受理批量任务：服务刚启动或数据库无法使用，请稍后重试，原因详见服务日志",
            )
        return self._jobs
