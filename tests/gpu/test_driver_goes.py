"""A driver that goes while it is watched, and one that never was there. No driver can be taken away
here: what reads it is a stand-in."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from in_use import in_use

from seacod.accelerators.base import DriverAbsent, Gpu
from seacod.supervisor.systemd.heartbeats import TaskHeartbeats
from seacod.supervisor.watch import gpu_sampler
from seacod.supervisor.watch.gpu_sampler import GpuSampler, GpuState


def sampled(
    monkeypatch: pytest.MonkeyPatch,
    answers: list[list[Gpu] | Exception],
    heartbeats: TaskHeartbeats,
) -> tuple[GpuSampler, bool]:
    """The sampler after these answers, and whether it has ended."""

    async def read(drivers: object) -> list[Gpu]:
        if not answers:
            await asyncio.Event().wait()
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def at_once(seconds: float, most: Callable[[], float]) -> None:
        await asyncio.sleep(0)

    monkeypatch.setattr(gpu_sampler, "read_soon", read)
    monkeypatch.setattr(gpu_sampler, "wait_at_most", at_once)

    async def run() -> tuple[GpuSampler, bool]:
        sampler = GpuSampler(
            in_use(),
            on_sample=lambda gpus: None,
            on_failure=lambda problem: None,
            heartbeats=heartbeats,
        )
        task = asyncio.ensure_future(sampler.run())
        for _ in range(20):
            await asyncio.sleep(0)
        has_ended = task.done()
        task.cancel()
        return sampler, has_ended

    return asyncio.run(run())


def test_a_driver_that_is_exchanged_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    heartbeats = TaskHeartbeats(lambda: 0.0)
    sampler, has_ended = sampled(monkeypatch, [[], DriverAbsent("gone"), []], heartbeats)
    assert not has_ended
    assert sampler.state is GpuState.READ
    gone, has_ended = sampled(monkeypatch, [[], DriverAbsent("gone")], heartbeats)
    assert not has_ended
    assert gone.state is GpuState.UNKNOWN


def test_where_there_never_was_one_nothing_is_owed(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    heartbeats = TaskHeartbeats(lambda: now)
    heartbeats.expect("gpu", 1.0)
    sampler, has_ended = sampled(monkeypatch, [DriverAbsent("none")], heartbeats)
    now = 1e6
    assert has_ended
    assert sampler.state is GpuState.ABSENT
    assert not heartbeats.late()
