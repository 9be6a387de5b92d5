"""What a nursery loads: the engine, and what serves it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from seacod.asr.preparation import EnginePreparation

if TYPE_CHECKING:
    from seacod.asr.recognisers.base import Recogniser


class Preparation(EnginePreparation):
    """The steps of one nursery and its workers."""

    def load(self) -> Recogniser:
        """Importing and loading take many seconds; nothing runs in parallel here."""
        engine = self.load_engine()
        self._import_web()
        return engine

    def _import_web(self) -> None:
        import seacod.asr.service
        import seacod.jobs.opening
        import seacod.jobs.runner
        import seacod.metrics.worker
        import seacod.web.app
        import seacod.worker.serving

        if self.settings.server.page == "on":
            self.say("importing the page")
            import seacod.web.page.page  # noqa: F401
