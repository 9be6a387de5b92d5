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
        if self.settings.server.page == "off":
            return Loaded(self._load(), None, self.call_seconds)
        from seacod.web.page.drawing import drawing
        from seacod.web.page.shown import ShownModel, Site

        # On another core, while the model loads.
        with drawing() as page:
            engine = self._load()
            self.say(("drawing the page", "正在生成网页"))
            drawn = page.finish(Site.of(self.settings), ShownModel.of(engine))
        return Loaded(engine, drawn, self.call_seconds)

    def _load(self) -> Recogniser:
        engine = self.load_engine()
        rehearsal.rehearse(self.settings, self._paths)
        return engine
