"""What a nursery loads: the engine, and what serves it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from seacod.asr.preparation import EnginePreparation
from seacod.worker import rehearsal

if TYPE_CHECKING:
    from seacod.asr.recognisers.base import Recogniser
    from seacod.web.page.page import Page


@dataclass(frozen=True, slots=True)
class Loaded:
    """What all workers have from their nursery.

    Args:
        engine: in host memory.
        page: drawn; None where there is to be none.
        call_seconds: see `EnginePreparation`.
    """

    engine: Recogniser
    page: Page | None
    call_seconds: float | None


class Preparation(EnginePreparation):
    """The steps of one nursery and its workers."""

    def load(self) -> Loaded:
        """Importing and loading take many seconds; nothing runs in parallel here."""
        engine = self.load_engine()
        rehearsal.rehearse(self.settings, self._paths)
        return Loaded(engine, self._page(engine), self.call_seconds)

    def _page(self, engine: Recogniser) -> Page | None:
        if self.settings.server.page == "off":
            return None
        self.say("drawing the page")
        from seacod.web.page.page import Page

        return Page(engine, self.settings)
