"""From settings to an engine that works: fetch, import, load, place, try, measure. Called by
workers and by the actors of an archive.

All of it runs on the inference thread, and imports inside: the process itself starts at once and
says what it is at.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import structlog

from seacod.accelerators import registry as accelerators
from seacod.config.schema import Settings
from seacod.paths import Paths
from seacod.system import heap

if TYPE_CHECKING:
    from seacod.asr.recognisers.base import Recogniser
    from seacod.asr.tuning import Tuning

log = structlog.get_logger(__name__)

# A download that says something may go on for so long again.
_DOWNLOAD_SECONDS = 120.0


class ReportStage(Protocol):
    """Told what the start is at; `extend_seconds` asks for more time."""

    def __call__(self, text: str, extend_seconds: float = 0.0) -> None: ...


class EnginePreparation:
    """The steps of one engine.

    Args:
        settings: of the whole service.
        paths: where models lie, and what was measured.
        say: told each step, on the inference thread.
    """

    def __init__(self, settings: Settings, paths: Paths, say: ReportStage) -> None:
        self.settings = settings
        self._paths = paths
        self.say = say
        # What was measured here, now or before; None when nothing is.
        self.tuning: Tuning | None = None

    def load_engine(self) -> Recogniser:
        """On the inference thread: the model in host memory, fetched if it is not here."""
        from seacod.asr.recognisers import registry as recognisers
        from seacod.models import fetch, registry

        asr = self.settings.asr
        for identifier in registry.missing(asr, self._paths.models):
            fetch.fetch(
                identifier,
                self._paths.models,
                fetch.token(asr),
                lambda text: self.say(f"downloading {text}", extend_seconds=_DOWNLOAD_SECONDS),
            )
        models = registry.resolve(asr, self._paths.models)
        self.say(f"loading {models.name}")
        engine = recognisers.load(models, asr.cpu_threads)
        heap.trim()
        return engine

    def try_early(self, engine: Recogniser) -> None:
        """On the inference thread: try and measure before the engine is placed, so that a spare
        need not do it when it is needed. Nothing, where the model is still to move to a GPU."""
        if accelerators.resolve(self.settings.asr.device) == "cpu":
            self.first_recording(engine)
            self._tune(engine)

    def place(self, engine: Recogniser) -> None:
        """On the inference thread: the last step before the worker is ready."""
        engine.place(self.settings.asr.device)
        if engine.device != "cpu":
            self.first_recording(engine)
            self._tune(engine)

    def make_ready(self, engine: Recogniser) -> None:
        """On the inference thread, where nobody waits in between: place, try, measure."""
        engine.place(self.settings.asr.device)
        self.first_recording(engine)
        self._tune(engine)

    def _tune(self, engine: Recogniser) -> None:
        """On the inference thread: which batch sizes are worth while here, if nobody knows yet."""
        if self.settings.asr.tune == "off":
            return
        from seacod.asr import tuning, warmup

        file = self._paths.state / "tuning.json"
        ceiling = self.settings.asr.batch_seconds
        name = tuning.key(model=engine.name, device=engine.hardware, ceiling_seconds=ceiling)
        self.tuning = tuning.remembered(file, name)
        if self.tuning is None:
            self.say("measuring batch sizes")
            speech = warmup.first_recording()
            self.tuning = tuning.measure(
                lambda batch: engine.recognise(batch, None), speech, ceiling
            )
            tuning.remember(file, name, self.tuning)
            log.info(
                "batch_sizes_measured",
                useful_seconds=self.tuning.useful_seconds,
                speed=round(self.tuning.speed, 1),
            )

    def first_recording(self, engine: Recogniser) -> None:
        """On the inference thread: transcribe a shipped recording."""
        from seacod.asr import warmup
        from seacod.models import registry

        asr = self.settings.asr
        self.say("transcribing a first recording")
        models = registry.resolve(asr, self._paths.models)
        warmup.warm_up(engine, models)
