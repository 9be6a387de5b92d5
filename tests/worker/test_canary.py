"""The canary: the model is asked when nobody else asks, and says when it cannot."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

import pytest

from seacod.asr.service import TranscriptionService
from seacod.config import Settings
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


async def listened(run_canary: Any, interval: float, seconds: float) -> list[str]:
    """What it complains of within so many seconds."""
    service = TranscriptionService(Settings(), lambda: SteeredEngine(), WorkerMetrics())  # type: ignore[arg-type,return-value]
    await service.start()
    complaints: list[str] = []
    task = asyncio.ensure_future(
        canary.run_canary(service, lambda: interval, run_canary, complaints.append)
    )
    await asyncio.sleep(seconds)
    load = service.load()
    complaints.append(f"progress {load.progress_age_seconds > 0}")
    task.cancel()
    await service.close()
    return complaints


def test_it_sings_when_idle_and_not_when_switched_off(quick: None) -> None:
    sung: list[float] = []
    asyncio.run(listened(lambda engine: sung.append(time.monotonic()), 0.05, 0.5))
    assert len(sung) >= 2
    sung.clear()
    asyncio.run(listened(lambda engine: sung.append(time.monotonic()), 0, 0.3))
    assert not sung


def test_a_wrong_answer_is_complained_of_and_it_goes_on(quick: None) -> None:
    def wrong(engine: object) -> None:
        raise ModelUnavailable("the model writes nonsense")

    complaints = asyncio.run(listened(wrong, 0.05, 0.5))
    assert complaints.count("the model writes nonsense") >= 2


def test_a_model_that_is_stuck_shows_as_work_without_progress(quick: None, tmp_path: Path) -> None:
    """Which is what the supervisor ends a worker for."""
    complaints = asyncio.run(listened(lambda engine: time.sleep(1.0), 0.05, 0.6))
    assert complaints == ["progress True"]
