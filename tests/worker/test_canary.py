"""The canary: the model is asked when nobody else asks, and says when it cannot."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from supervised import PATIENCE_SECONDS

from seacod.asr.service import TranscriptionService
from seacod.config.schema import Settings
from seacod.errors import ModelUnavailable
from seacod.metrics.worker import WorkerMetrics
from seacod.worker import canary


class SteeredEngine:
    """Stands in for the model: the canary's timing is looked at, not its hearing."""

    name, device, voice = "steered", "cpu", None

    def reserved_bytes(self) -> int:
        return 0


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(canary, "_LOOK_SECONDS", 0.01)


class Listened:
    """A service without requests, its canary, and what that complains of.

    Args:
        sing: what the canary asks of the model.
        interval: between two times, in seconds.
    """

    def __init__(self, sing: Any, interval: float) -> None:
        self.complaints: list[tuple[str, str]] = []
        self.looks = 0
        self.service: TranscriptionService
        self._sing, self._interval = sing, interval

    def until(self, condition: Callable[[], bool]) -> None:
        asyncio.run(asyncio.wait_for(self._live(condition), PATIENCE_SECONDS))

    async def _live(self, condition: Callable[[], bool]) -> None:
        self.service = TranscriptionService(
            Settings(), lambda: SteeredEngine(), WorkerMetrics()  # type: ignore[arg-type,return-value]
        )  # fmt: skip
        await self.service.start()
        task = asyncio.ensure_future(
            canary.run_canary(self.service, self, self._sing, self.complaints.append)
        )
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        task.cancel()
        await self.service.close()

    @property
    def current(self) -> Any:
        """As the settings in use are asked."""
        self.looks += 1
        return SimpleNamespace(worker=SimpleNamespace(canary_interval_seconds=self._interval))


def test_it_sings_when_idle_and_not_when_switched_off(quick: None) -> None:
    sung: list[object] = []
    Listened(sung.append, 0.05).until(lambda: len(sung) >= 2)
    sung.clear()
    off = Listened(sung.append, 0)
    off.until(lambda: off.looks > 20)
    assert not sung


def test_a_wrong_answer_is_complained_of_and_it_goes_on(quick: None) -> None:
    def wrong(engine: object) -> None:
        raise ModelUnavailable("the model writes nonsense", "结果不对")

    heard = Listened(wrong, 0.05)
    heard.until(lambda: heard.complaints.count(("the model writes nonsense", "结果不对")) >= 2)


def test_a_model_that_is_stuck_shows_as_work_without_progress(quick: None) -> None:
    """Which is what the supervisor ends a worker for."""
    may_go_on = threading.Event()
    heard = Listened(lambda engine: may_go_on.wait(PATIENCE_SECONDS), 0.05)

    def is_seen() -> bool:
        if heard.service.load().progress_age_seconds <= 0.2:
            return False
        may_go_on.set()
        return True

    heard.until(is_seen)
    assert heard.complaints == []
