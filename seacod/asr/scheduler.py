"""The one thread that owns the model.

`Scheduler` starts the thread `seacod-inference`, loads the engine in it and runs batch after batch;
the event loop only waits for results. What waits is in `piece_queue.py`. When the device
runs out of memory the budget is halved and the batch planned anew; a piece that does not fit alone
fails, and only it.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import structlog

from seacod.asr import batching
from seacod.asr.audio import Samples
from seacod.asr.batching import Budget
from seacod.asr.pace import Pace
from seacod.asr.piece_queue import PieceQueue, PieceResult, QueuedPiece
from seacod.asr.recognisers.base import Recogniser
from seacod.asr.request import RecognitionRequest
from seacod.asr.tuning import Tuning
from seacod.errors import InferenceFailed, OutOfMemory

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Action:
    """Something else than recognition to do with the engine."""

    act: Callable[[Recogniser], None]
    result: asyncio.Future[None]


@dataclass(frozen=True, slots=True)
class BatchDone:
    """A batch that went through the model, for who counts."""

    pieces: int
    audio_seconds: float
    padded_seconds: float
    inference_seconds: float
    retried: int


class Scheduler:
    """Runs pieces on the inference thread.

    Args:
        load: makes the engine; called on the inference thread.
        batch_seconds: padded seconds of audio per batch at most.
        gathering_seconds: how long a batch that is not full waits for pieces that are known to
            come.
        on_batch: told of each batch, on the inference thread; must be quick.
        on_out_of_memory: told there that a batch did not fit.
        with_model: told there whose pieces are with the model from now on, for whoever looks after
            this process has died; must be quick.
        on_lost: told there that the thread has ended by an error.
    """

    def __init__(
        self,
        load: Callable[[], Recogniser],
        *,
        batch_seconds: float,
        gathering_seconds: float = 0.0,
        on_batch: Callable[[BatchDone], None] = lambda done: None,
        on_out_of_memory: Callable[[], None] = lambda: None,
        with_model: Callable[[Iterable[RecognitionRequest]], None] = lambda requests: None,
        on_lost: Callable[[BaseException], None] = lambda error: None,
    ) -> None:
        self._load = load
        self._gathering_seconds = gathering_seconds
        self._on_batch = on_batch
        self._on_out_of_memory = on_out_of_memory
        self._with_model = with_model
        self._on_lost = on_lost
        self._loop = asyncio.get_running_loop()
        self._loaded: asyncio.Future[Recogniser] = self._loop.create_future()
        self._thread = threading.Thread(target=self._run, name="seacod-inference", daemon=True)
        # Shared with the thread, under the condition.
        self._changed = threading.Condition()
        self._queue = PieceQueue()
        self._actions: list[_Action] = []
        self._is_stopped = False
        self._batch_seconds = batch_seconds
        # Only the thread changes these.
        self._budget = Budget(batch_seconds)
        self._pace = Pace(Tuning.unknown(batch_seconds))
        # Recordings that will bring pieces soon; a short wait for them fills a batch.
        self.expected = 0
        # Read by the beat: whether the engine has work, and when it last finished something.
        self.is_busy = False
        self.last_progress = time.monotonic()

    async def start(self) -> Recogniser:
        """Load the engine.

        Raises:
            SeacodError: why it cannot be loaded.
        """
        self._thread.start()
        return await self._loaded

    def tune(self, tuning: Tuning) -> None:
        """Use what was measured. Any thread may call this."""
        self._pace = Pace(tuning)
        self._budget.limit(min(self._batch_seconds, tuning.useful_seconds))

    @property
    def tuning(self) -> Tuning:
        """The figures in use."""
        return self._pace.tuning

    @property
    def speed(self) -> float:
        """Padded seconds that the model does in a second of work, at present."""
        return self._pace.speed

    @property
    def needs_tuning(self) -> bool:
        """Whether nothing was measured, or it contradicts what is seen."""
        return not self._pace.tuning.is_measured or self._pace.is_contradicting

    @property
    def budget_seconds(self) -> float:
        """Padded seconds a batch may have at present."""
        return self._budget.seconds

    def submit(self, request: RecognitionRequest, samples: Samples) -> asyncio.Future[PieceResult]:
        """A piece of a request; the future gets what it says, or the error."""
        result: asyncio.Future[PieceResult] = self._loop.create_future()
        with self._changed:
            self._queue.add(request, samples, result)
            self._changed.notify()
        return result

    def give_up(self, request: RecognitionRequest) -> None:
        """Drop what waits of a request that nobody waits for."""
        request.is_given_up = True
        with self._changed:
            self._queue.remove(request)

    def run_soon(self, action: Callable[[Recogniser], None]) -> asyncio.Future[None]:
        """Do something with the engine between two batches (release its cache); the future ends
        when it is done, with the error it raised, if any."""
        result: asyncio.Future[None] = self._loop.create_future()
        with self._changed:
            self._actions.append(_Action(action, result))
            self._changed.notify()
        return result

    def stop(self) -> None:
        """End the thread after the batch it is at."""
        with self._changed:
            self._is_stopped = True
            self._changed.notify()

    # -- on the inference thread --------------------------------------------------------------

    def _run(self) -> None:
        try:
            engine = self._load()
        except BaseException as error:
            self._tell([(self._loaded, error)])
            return
        self._tell([(self._loaded, engine)])
        try:
            self._work(engine)
        except BaseException as error:
            self._on_lost(error)

    def _work(self, engine: Recogniser) -> None:
        while (work := self._next()) is not None:
            self.last_progress = time.monotonic()
            self.is_busy = True
            try:
                self._do(engine, work)
            except BaseException:
                # A thread that ends serves nobody, and nobody would be told.
                log.exception("inference_broke")
                waiting = [work] if isinstance(work, _Action) else work
                self._tell([(one.result, InferenceFailed.unforeseen()) for one in waiting])
            self.is_busy = False

    def _do(self, engine: Recogniser, work: _Action | list[QueuedPiece]) -> None:
        if isinstance(work, _Action):
            self._act(engine, work)
            return
        self._with_model({piece.request for piece in work})
        try:
            self._recognise(engine, work)
        finally:
            self._with_model(())

    def _next(self) -> _Action | list[QueuedPiece] | None:
        """What to do now; waits until there is something. None at the end."""
        with self._changed:
            self._changed.wait_for(lambda: self._queue or self._actions or self._is_stopped)
            if self._is_stopped:
                return None
            if self._actions:
                return self._actions.pop(0)
            self._gather()
            return self._queue.take(
                budget_seconds=self._budget.seconds,
                overhead_seconds=self._pace.tuning.overhead_seconds,
            )

    def _gather(self) -> None:
        """Let a batch that is far from full wait a moment for what is on its way."""
        deadline = time.monotonic() + self._gathering_seconds
        while self.expected and self._queue and not (self._actions or self._is_stopped):
            left = deadline - time.monotonic()
            if left <= 0 or self._queue.seconds >= self._budget.seconds / 2:
                return
            self._changed.wait(left)

    def _recognise(self, engine: Recogniser, batch: list[QueuedPiece]) -> None:
        batch = [piece for piece in batch if not piece.request.is_given_up]
        if not batch:
            return
        began = time.monotonic()
        for piece in batch:
            if piece.request.started_at is None:
                piece.request.started_at = began
        padded = batching.padded_seconds(batch)
        try:
            recognised = engine.recognise(
                [piece.samples for piece in batch],
                [piece.request.hotwords.words for piece in batch],
            )
        except OutOfMemory as error:
            self._out_of_memory(engine, batch, padded, error)
            return
        except Exception as error:
            self._blame(engine, batch, error)
            return
        took = time.monotonic() - began
        self.last_progress = time.monotonic()
        self._budget.went_well()
        self._pace.note(padded, took)
        self._on_batch(
            BatchDone(
                len(batch), sum(p.seconds for p in batch), padded, took,
                sum(r.was_retried for r in recognised),
            )
        )  # fmt: skip
        self._tell(
            (piece.result, PieceResult(said, took / len(batch)))
            for piece, said in zip(batch, recognised, strict=True)
        )

    def _out_of_memory(
        self, engine: Recogniser, batch: list[QueuedPiece], padded: float, error: OutOfMemory
    ) -> None:
        """Halve what a batch may have and plan these anew; one that is alone has failed."""
        engine.release_cache()
        self._on_out_of_memory()
        self.last_progress = time.monotonic()
        if len(batch) == 1:
            self._tell([(batch[0].result, error)])
            return
        self._budget.exceeded(padded)
        log.warning(
            "batch_halved", cause="out of memory", pieces=len(batch),
            padded_seconds=round(padded, 1), budget_seconds=round(self._budget.seconds, 1),
        )  # fmt: skip
        with self._changed:
            self._queue.put_back(batch)

    def _blame(self, engine: Recogniser, batch: list[QueuedPiece], error: Exception) -> None:
        """After a batch failed, try each piece alone, so that only the one at fault fails."""
        if len(batch) == 1:
            self._tell([(batch[0].result, error)])
            return
        log.warning("batch_failed", pieces=len(batch), cause=str(error))
        for piece in batch:
            self._recognise(engine, [piece])

    def _act(self, engine: Recogniser, action: _Action) -> None:
        try:
            action.act(engine)
        except Exception as error:
            self._tell([(action.result, error)])
        else:
            self._tell([(action.result, None)])

    def _tell(self, outcomes: Iterable[tuple[asyncio.Future[Any], object]]) -> None:
        """All results of a batch in one call to the loop."""
        told = list(outcomes)

        def deliver() -> None:
            for future, outcome in told:
                if future.done():
                    continue
                if isinstance(outcome, BaseException):
                    future.set_exception(outcome)
                    # Several pieces of a request may fail; the first is raised, no other warns.
                    future.exception()
                else:
                    future.set_result(outcome)

        with contextlib.suppress(RuntimeError):  # the loop is closed: the process is ending
            self._loop.call_soon_threadsafe(deliver)
