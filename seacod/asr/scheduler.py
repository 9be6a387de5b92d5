"""The one thread that owns the model, and the work it is given.

`Scheduler` starts the thread `seacod-inference`, loads the engine in it and runs jobs one after
the other; the event loop only waits for results. A job that was given up is dropped before its
next batch.
"""

from __future__ import annotations

import asyncio
import contextlib
import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import structlog

from seacod.asr import segments
from seacod.asr.audio import SAMPLE_RATE, Samples
from seacod.asr.engine import Engine, Recognised
from seacod.asr.hotwords import Hotwords
from seacod.asr.segments import Span

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Heard:
    """What the model made of one recording: its spans in order, each with what was heard."""

    spans: tuple[Span, ...]
    pieces: tuple[Recognised, ...]
    punctuated: tuple[str, ...]


@dataclass(eq=False)
class Job:
    """One recording on its way through the model.

    Args:
        samples: the whole recording.
        hotwords: cleaned.
        on_start: called on the event loop when the model begins with it.
        on_progress: called on the event loop with segments done and segments in all.
    """

    samples: Samples
    hotwords: Hotwords
    on_start: Callable[[], None]
    on_progress: Callable[[int, int], None]
    result: asyncio.Future[Heard] = field(init=False)
    _given_up: threading.Event = field(default_factory=threading.Event)

    def give_up(self) -> None:
        """Nobody waits for the result any more."""
        self._given_up.set()

    @property
    def is_given_up(self) -> bool:
        return self._given_up.is_set()


@dataclass(frozen=True, slots=True)
class _Action:
    """Something to do with the engine that is no recording."""

    act: Callable[[Engine], None]
    result: asyncio.Future[None]


class _GivenUp(Exception):
    """The job's client went away while it was running."""


class Scheduler:
    """Runs jobs on the inference thread.

    Args:
        load: makes the engine; called on the inference thread.
        max_segment_seconds: longest span given to the model.
        batch_seconds: padded seconds of audio per batch.
    """

    def __init__(
        self, load: Callable[[], Engine], *, max_segment_seconds: float, batch_seconds: float
    ) -> None:
        self._load = load
        self._max_segment_seconds = max_segment_seconds
        self._batch_seconds = batch_seconds
        self._jobs: queue.SimpleQueue[Job | _Action | None] = queue.SimpleQueue()
        self._loop = asyncio.get_running_loop()
        self._loaded: asyncio.Future[Engine] = self._loop.create_future()
        self._thread = threading.Thread(target=self._run, name="seacod-inference", daemon=True)
        # Read by the beat: whether the engine has work, and when it last finished something.
        self.is_busy = False
        self.last_progress = time.monotonic()

    async def start(self) -> Engine:
        """Load the engine.

        Raises:
            SeacodError: why it cannot be loaded.
        """
        self._thread.start()
        return await self._loaded

    def submit(self, job: Job) -> asyncio.Future[Heard]:
        """Hand a job over; the future gets its result or its error."""
        job.result = self._loop.create_future()
        self._jobs.put(job)
        return job.result

    def run_soon(self, action: Callable[[Engine], None]) -> asyncio.Future[None]:
        """Do something with the engine between two jobs (release its cache); the future ends when
        it is done, with the error it raised, if any."""
        result: asyncio.Future[None] = self._loop.create_future()
        self._jobs.put(_Action(action, result))
        return result

    def stop(self) -> None:
        """End the thread after the job it is at."""
        self._jobs.put(None)

    # -- on the inference thread --------------------------------------------------------------

    def _run(self) -> None:
        try:
            engine = self._load()
        except BaseException as error:
            self._tell(self._loaded, error)
            return
        self._tell(self._loaded, engine)
        while (job := self._jobs.get()) is not None:
            self.last_progress = time.monotonic()
            self.is_busy = True
            if isinstance(job, Job):
                self._work(engine, job)
            else:
                self._act(engine, job)
            self.is_busy = False

    def _work(self, engine: Engine, job: Job) -> None:
        if job.is_given_up:
            return
        try:
            self._loop.call_soon_threadsafe(job.on_start)
            self._tell(job.result, self._transcribe(engine, job))
        except _GivenUp:
            log.info("job_given_up", seconds=round(len(job.samples) / SAMPLE_RATE, 1))
        except Exception as error:
            self._tell(job.result, error)

    def _act(self, engine: Engine, action: _Action) -> None:
        try:
            action.act(engine)
        except Exception as error:
            self._tell(action.result, error)
        else:
            self._tell(action.result, None)

    def _transcribe(self, engine: Engine, job: Job) -> Heard:
        speech = engine.find_speech(job.samples, self._max_segment_seconds)
        spans = segments.refine(speech, job.samples, self._max_segment_seconds)
        heard: list[Recognised | None] = [None] * len(spans)
        done = 0
        self._loop.call_soon_threadsafe(job.on_progress, 0, len(spans))
        for batch in segments.batches([b - a for a, b in spans], self._batch_seconds):
            if job.is_given_up:
                raise _GivenUp
            pieces = [job.samples[spans[i][0] : spans[i][1]] for i in batch]
            results = engine.recognise(pieces, job.hotwords.prompt)
            for index, result in zip(batch, results, strict=True):
                heard[index] = result
            done += len(batch)
            self.last_progress = time.monotonic()
            self._loop.call_soon_threadsafe(job.on_progress, done, len(spans))
        pieces_heard = tuple(piece for piece in heard if piece is not None)
        return Heard(
            tuple(spans), pieces_heard, tuple(engine.punctuate(p.text) for p in pieces_heard)
        )

    def _tell(self, future: asyncio.Future[Any], outcome: object) -> None:
        def deliver() -> None:
            if future.done():
                return
            if isinstance(outcome, BaseException):
                future.set_exception(outcome)
            else:
                future.set_result(outcome)

        with contextlib.suppress(RuntimeError):  # the loop is closed: the process is ending
            self._loop.call_soon_threadsafe(deliver)
