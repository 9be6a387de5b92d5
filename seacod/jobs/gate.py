"""Where the routes find the jobs of their worker, which has none before it serves."""

from __future__ import annotations

from typing import TYPE_CHECKING

from seacod.config.in_use import SettingsInUse
from seacod.errors import NotReady

if TYPE_CHECKING:
    from seacod.jobs.runner import Jobs


class JobsGate:
    """Closed until `jobs` is set.

    Args:
        settings: those in use.
    """

    def __init__(self, settings: SettingsInUse) -> None:
        self.settings = settings
        self.jobs: Jobs | None = None

    def open(self) -> Jobs:
        """The jobs.

        Raises:
            NotReady: the worker does not serve yet, or its store is closed.
            SeacodError: the store cannot be opened until an operator does something.
        """
        refusal = None if self.jobs is None else self.jobs.refusal
        if refusal is not None:
            if refusal.http_status == 500:
                # Such as one of the configuration, which has no status of its own.
                raise NotReady(refusal.message, refusal.chinese)
            raise refusal
        if self.jobs is None or not self.jobs.is_open:
            raise NotReady(
                "batches cannot be taken at present: the worker has just started, or their "
                "database cannot be used (its log says which); try again in a moment",
                "暂时无法受理批量任务：服务刚启动或数据库无法使用，请稍后重试，原因详见服务日志",
            )
        return self.jobs
