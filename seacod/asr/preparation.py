"""From settings to an engine that works: fetch, import, load, place, try, measure. Called by
workers and by the actors of an archive.

Imports inside: the process itself starts at once and says what it is at. What comes after loading
runs on the inference thread.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import structlog

from seacod.config.schema import Settings
from seacod.paths import Paths
from seacod.system.processes import heap
from seacod.system.text.words import Words

if TYPE_CHECKING:
    from seacod.asr.recognisers.base import Recogniser
    from seacod.asr.tuning import Tuning

log = structlog.get_logger(__name__)

# For the punctuation model to have seen some text.
_WORDS = "今天天气很好我们去公园散步"
# A download that says something may go on for so long again.
_DOWNLOAD_SECONDS = 120.0


class ReportStage(Protocol):
    """Told what the start is at; `extend_seconds` asks for more time."""

    def __call__(self, words: Words, extend_seconds: float = 0.0) -> None: ...


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
        # Of a call with the first recording, on the CPU; None when nothing needs it.
        self.call_seconds: float | None = None

    def load_engine(self) -> Recogniser:
        """The model in host memory, fetched if it is not here."""
        from seacod.asr.recognisers import registry as recognisers
        from seacod.models import fetch, registry, speakers

        asr = self.settings.asr

        def say(text: str) -> None:
            words = f"downloading {text}", f"正在下载 {text}"
            self.say(words, extend_seconds=_DOWNLOAD_SECONDS)

        for identifier in registry.missing(asr, self._paths.models):
            fetch.fetch(identifier, self._paths.models, fetch.token(asr), say)
        if speakers.is_one(asr.speaker_model):
            speakers.fetch(asr.speaker_model, self._paths.models, fetch.token(asr), say)
        models = registry.resolve(asr, self._paths.models)
        self.say((f"loading {models.name}", f"正在加载 {models.name}"))
        engine = recognisers.load(models, asr.cpu_threads)
        # Here, where it lies in host memory and on one thread, so that not every worker forked from
        # it has to: what libraries import, compile and keep at a first recording, all of them have.
        self.first_recording(engine)
        engine.punctuate(_WORDS)
        if self.settings.asr.tune == "auto" and self._remembered(engine) is None:
            self.call_seconds = self._timed(engine)
        heap.trim()
        return engine

    def place(self, engine: Recogniser) -> None:
        """On the inference thread: put it where it works, and try it there unless that is where it
        was tried; then a worker is ready."""
        before = engine.device, engine.precision
        engine.place(self.settings.asr.device, self.settings.asr.precision)
        if (engine.device, engine.precision) != before:
            self.first_recording(engine)
            self.call_seconds = None
        if self.settings.asr.tune == "auto":
            self.tuning = self._remembered(engine) or self._guessed(engine)

    def make_ready(self, engine: Recogniser) -> None:
        """On the inference thread, where nobody waits in between: place, try, measure."""
        self.place(engine)
        self.tune(engine)

    def _remembered(self, engine: Recogniser) -> Tuning | None:
        """What was measured here before."""
        from seacod.asr import tuning

        return tuning.remembered(*self.tuning_place(engine))

    def _guessed(self, engine: Recogniser) -> Tuning:
        """On the inference thread: what can be said of one call."""
        from seacod.asr import tuning, warmup

        ceiling = self.settings.asr.batch_seconds
        seconds = self.call_seconds or self._timed(engine)
        return tuning.Tuning.guessed(warmup.first_seconds(), seconds, ceiling)

    def _timed(self, engine: Recogniser) -> float:
        """On the inference thread. Not the first call: a library prepares for seconds in that."""
        from seacod.asr import tuning, warmup

        speech, seconds = warmup.first_recording(), warmup.first_seconds()
        return tuning.timed(engine.recognise, speech, seconds, 1)

    def tune(self, engine: Recogniser) -> None:
        """On the inference thread: which batch sizes are worth while here, if nobody knows yet."""
        if self.settings.asr.tune == "off" or (self.tuning and self.tuning.is_measured):
            return
        from seacod.asr import tuning, warmup

        self.say(("measuring batch sizes", "正在测量批次大小"))
        self.tuning = tuning.measure(
            engine.recognise,
            warmup.first_recording(),
            self.settings.asr.batch_seconds,
        )
        if self.tuning.is_measured:
            tuning.remember(*self.tuning_place(engine), self.tuning)

    def tuning_place(self, engine: Recogniser) -> tuple[Path, str]:
        """The file in which measurements are remembered, and the name of this engine's there."""
        from seacod.asr import tuning

        ceiling = self.settings.asr.batch_seconds
        name = tuning.key(
            model=engine.name,
            device=engine.hardware,
            precision=engine.precision,
            ceiling_seconds=ceiling,
        )
        return self._paths.state / "tuning.json", name

    def first_recording(self, engine: Recogniser) -> None:
        """On the inference thread: transcribe a shipped recording."""
        from seacod.asr import warmup
        from seacod.models import registry

        asr = self.settings.asr
        self.say(("transcribing a first recording", "正在识别首个录音"))
        models = registry.resolve(asr, self._paths.models)
        warmup.warm_up(engine, models)
