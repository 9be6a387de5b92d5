"""A worker that has grown too much takes no new work; the unit's limits are reckoned."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
from pathlib import Path

import pytest
from in_use import in_use
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.testclient import TestClient

from seacod.worker.memory import MemoryGuard, anonymous_bytes

ROOT = Path(__file__).parents[2]
GIB = 1 << 30


class Worker:
    """What the guard asks about."""

    def __init__(self) -> None:
        self.held = 3 * GIB
        self.is_busy = True
        self.now = 0.0
        self.settings = in_use(limits={"memory_growth_bytes": GIB})
        self.guard = MemoryGuard(
            self.settings,
            lambda: self.is_busy,
            held=lambda: self.held,
            clock=lambda: self.now,
        )
        self.guard.begin()

    def has_room(self) -> bool:
        self.now += 1.0
        return asyncio.run(self.guard.has_room())


def test_it_refuses_while_it_has_grown_too_much_and_others_work() -> None:
    worker = Worker()
    assert worker.has_room()
    worker.held += GIB + 1
    assert not worker.has_room()
    worker.is_busy = False
    assert worker.has_room(), "refusing helps nobody when nothing is inside"
    worker.is_busy = True
    worker.settings.apply({"limits.memory_growth_bytes": 0})
    assert worker.has_room()
    worker.settings.apply({"limits.memory_growth_bytes": 2 * GIB})
    assert worker.has_room()


def test_what_is_refused_is_what_brings_work() -> None:
    worker = Worker()
    worker.held += 2 * GIB
    worker.now = 100.0

    async def hello(request: Request) -> Response:
        return PlainTextResponse("hello")

    app = Starlette(routes=[Route("/", hello, methods=["GET", "POST"])])
    client = TestClient(worker.guard.around(app))
    assert client.get("/").status_code == 200
    refused = client.post("/")
    assert refused.status_code == 503
    assert refused.headers["retry-after"] == "10"
    assert refused.json()["error"]["code"] == "busy"


def test_its_own_memory_is_what_it_filled() -> None:
    before = anonymous_bytes()
    filled = bytearray(b"x" * (64 << 20))
    after = anonymous_bytes()
    assert before is not None
    assert after is not None
    assert after - before > (48 << 20)
    del filled


@pytest.mark.parametrize("total", [1, 4, 16, 64, 512])
@pytest.mark.parametrize("models", [0, 2 * GIB])
@pytest.mark.parametrize("workers", [1, 8])
def test_the_units_limits_leave_the_machine_its_share(
    total: int, models: int, workers: int
) -> None:
    given = {"TOTAL_BYTES": total * GIB, "MODELS_BYTES": models, "WORKERS": workers}
    told = subprocess.run(
        [ROOT / "systemd/memory-limits"],
        env={**os.environ, **{name: str(value) for name, value in given.items()}},
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    high, most = map(int, re.findall(r"^Memory(?:High|Max)=(\d+)$", told, re.MULTILINE))
    assert 0 < high < most <= total * GIB * 7 / 8
    if total == 512 and workers == 1:
        assert high == 2 * (2 * GIB + 3 * models) + GIB, "enough for a worker and its successor"
