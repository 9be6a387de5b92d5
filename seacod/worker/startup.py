"""What a worker loads before it is ready: the engine, and what serves it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from seacod.asr.preparation import EnginePreparation

if TYPE_CHECKING:
    from seacod.asr.recognisers.base import Recogniser


class Preparation(EnginePreparation):
    """The steps of one worker."""

    def load(self) -> Recogniser:
        """On the inference thread: importing and loading take many seconds."""
        engine = self.load_engine()
        self._import_web()
        self.try_early(engine)
        return engine

    def _import_web(self) -> None:
        """Import the application on this thread, since the event loop must not stand still for
        it."""
        import seacod.web.app

        if self.settings.server.page == "on":
            self.say("importing the page")
            import seacod.web.page.page  # noqa: F401
