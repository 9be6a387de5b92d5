"""Results as one zip: two are written at a time, whoever else asks waits. The jobs are a stand-in:
tests/worker/test_jobs_api.py asks a real service."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from supervised import PATIENCE_SECONDS

from seacod.web.routes import jobs


def test_many_who_ask_for_results_take_two_threads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inside: list[int] = []
    most: list[int] = []
    two_are_in, may_go_on = threading.Event(), threading.Event()

    def zipped(*given: Any) -> Path:
        inside.append(1)
        most.append(len(inside))
        if len(inside) == 2:
            two_are_in.set()
        assert may_go_on.wait(PATIENCE_SECONDS)
        inside.pop()
        made = tmp_path / f"{threading.get_ident()}-{len(most)}.zip"
        made.write_bytes(b"zip")
        return made

    async def get(job: str) -> Any:
        asked.append(job)
        if len(asked) == 8:
            all_are_in.set()
        return SimpleNamespace(id=job), [SimpleNamespace(state=SimpleNamespace(is_over=True))], {}

    asked: list[str] = []
    all_are_in = asyncio.Event()
    monkeypatch.setattr(jobs, "_zipped", zipped)
    app = FastAPI()
    gate: Any = SimpleNamespace(open=lambda: SimpleNamespace(get=get, store=None))
    paths: Any = SimpleNamespace(temp=tmp_path)
    app.include_router(jobs.router(gate, paths))

    async def work() -> list[httpx.Response]:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://here") as client:
            asking = asyncio.gather(*(client.get(f"/jobs/{n}/results") for n in range(8)))
            assert await asyncio.to_thread(two_are_in.wait, PATIENCE_SECONDS)
            await asyncio.wait_for(all_are_in.wait(), PATIENCE_SECONDS)
            may_go_on.set()
            return await asking

    answers = asyncio.run(work())
    assert [one.content for one in answers] == [b"zip"] * 8
    assert max(most) == 2
