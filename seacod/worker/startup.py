"""What a nursery loads: the engine, and what serves it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from seacod.asr.preparation import EnginePreparation

if TYPE_CHECKING:
    from seacod.asr.recognisers.base import Recogniser
    from seacod.web.page.page import Page


@dataclass(frozen=True, slots=True)
class Loaded:
    """What all workers have from their nursery.

    Args:
        engine: in host memory.
        page: drawn; None where there is to be none.
    """

    engine: Recogniser
    page: Page | None


class Preparation(EnginePreparation):
    """The steps of one nursery and its workers."""

    def load(self) -> Loaded:
        """Importing and loading take many seconds; nothing runs in parallel here."""
        engine = self.load_engine()
        self._import_web()
        return Loaded(engine, self._page(engine))

    def _import_web(self) -> None:
        import seacod.asr.service
        import seacod.jobs.opening
        import seacod.jobs.runner
        import seacod.metrics.worker
        import seacod.web.app
        import seacod.worker.serving  # noqa: F401

    def _page(self, engine: Recogniser) -> Page | None:
        if self.settings.server.page == "off":
            return None
        self.say("drawing the page")
        from seacod.web.page.page import Page

        return Page(engine, self.settings)
