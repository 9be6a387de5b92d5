"""What is looked at meanwhile: whether it is ready, how big it is, whether it was restarted."""

from __future__ import annotations

import time
from typing import Any

import anyio
import psutil

from seacod.client import NEVER, AsyncClient, BrokenOff, Refused, Unreachable
from seacod.proving.soak.ledger import Probe, Sample, SeenRestart, SoakLedger
from seacod.proving.target import LocalService

_PROBE_SECONDS = 1.0
_PROBE_TIMEOUT_SECONDS = 10.0
_SAMPLE_SECONDS = 2.0


async def probe(url: str, ledger: SoakLedger) -> None:
    """Ask once a second, each time on a new connection, as a load balancer does."""
    while True:
        began = time.time()
        client = AsyncClient(url, retry=NEVER, silence_seconds=_PROBE_TIMEOUT_SECONDS)
        try:
            async with client:
                await client.get("/health/ready")
            answer = 200
        except Refused as error:
            answer = error.status
        except Unreachable:
            answer = -1
        except BrokenOff:
            answer = 0
        took = time.time() - began
        ledger.probes.append(Probe(began, answer, took))
        await anyio.sleep(max(0.0, _PROBE_SECONDS - took))


async def sample(target: LocalService, ledger: SoakLedger) -> None:
    """Sizes, restarts and alerts, every two seconds."""
    seen = set(_restarts(await anyio.to_thread.run_sync(target.status)))
    while True:
        told = await anyio.to_thread.run_sync(target.status)
        if told:
            ledger.samples.append(_sample(told))
            for one in _restarts(told):
                if one not in seen:
                    seen.add(one)
                    ledger.restarts.append(SeenRestart(one[0], one[1]))
            opened = [one["kind"] for one in (told["alerts"] or {"open": []})["open"]]
            ledger.alerts = list(dict.fromkeys([*ledger.alerts, *opened]))
        await anyio.sleep(_SAMPLE_SECONDS)


def _restarts(told: dict[str, Any]) -> list[tuple[float, str]]:
    last = (told.get("restarts") or {}).get("last", [])
    return [(one["at"], one["cause"]) for one in last]


def _sample(told: dict[str, Any]) -> Sample:
    sizes, pids = {}, {}
    for role, pid in (
        ("supervisor", told["pid"]),
        ("worker", told["worker"]["pid"]),
        ("nursery", (told["nursery"] or {}).get("pid")),
    ):
        try:
            if pid:
                sizes[role] = int(psutil.Process(pid).memory_info().rss)
                pids[role] = pid
        except psutil.Error:
            continue
    for gpu in told["gpu"]["gpus"]:
        sizes[f"gpu {gpu['index']}"] = int(gpu["used_bytes"])
    return Sample(time.time(), sizes, pids, told["in_flight"], told["queue_depth"])
