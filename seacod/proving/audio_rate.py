"""How much audio gets through a server, with so many clients at once; and several ways of asking
in turns, so that whatever else the machine does falls on all of them. Used by the benches."""

from __future__ import annotations

import contextlib
import dataclasses
import statistics
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from seacod.proving import sounds
from seacod.proving.peers import Peer
from seacod.proving.processor import processor_seconds
from seacod.proving.progress import busy_with
from seacod.proving.statistics import quantile
from seacod.system.text.terminal import print_words

if TYPE_CHECKING:
    from seacod.asr.audio import Samples

W = TypeVar("W")
RECORDING_SECONDS = 14.0
_HEALTH_EVERY_SECONDS = 0.1
# What a first recording costs once is not what is measured.
WARM_UP_SECONDS = 3.0


@dataclass(frozen=True, slots=True)
class ThroughputFigures:
    """One peer at one number of clients; latencies in seconds. `audio_per_cpu_second` is by the
    time that it had a core, of which other work on the machine takes less than of the clock."""

    peer: str
    clients: int
    audio_per_second: float
    p50: float
    p95: float
    p99: float
    answered: int
    errors: int
    health_p99: float
    audio_per_cpu_second: float


def load(peer: Peer, speech: Samples, clients: int, seconds: float) -> ThroughputFigures:
    """So many clients at one peer for so long."""
    import httpx

    spent = processor_seconds(peer.pid)
    began = time.monotonic()
    until = began + seconds
    latencies: list[float] = []
    health: list[float] = []
    errors = [0]

    def client(number: int) -> None:
        connection = peer.connect()
        turn = 0
        while time.monotonic() < until:
            turn += 1
            recording = sounds.wav(speech, time.monotonic_ns() * 64 + number)
            sent = time.monotonic()
            try:
                peer.post(connection, recording)
            except (httpx.HTTPError, ValueError, LookupError):
                errors[0] += 1
            else:
                latencies.append(time.monotonic() - sent)
        connection.close()

    def ask() -> None:
        connection = peer.connect()
        while time.monotonic() < until:
            asked = time.monotonic()
            with contextlib.suppress(httpx.HTTPError):
                connection.get(peer.health)
                health.append(time.monotonic() - asked)
            time.sleep(_HEALTH_EVERY_SECONDS)
        connection.close()

    threads = [
        threading.Thread(target=client, args=(n,), name=f"bench-client-{n}") for n in range(clients)
    ]
    threads.append(threading.Thread(target=ask, name="bench-health"))
    for thread in threads:
        thread.start()
    with busy_with(f"{peer.name}: {clients} clients", f"{peer.name}：{clients} 个客户端"):
        for thread in threads:
            thread.join()
    took = time.monotonic() - began
    spent = processor_seconds(peer.pid) - spent
    return ThroughputFigures(
        peer=peer.name,
        clients=clients,
        audio_per_second=len(latencies) * RECORDING_SECONDS / took,
        p50=quantile(latencies, 0.5),
        p95=quantile(latencies, 0.95),
        p99=quantile(latencies, 0.99),
        answered=len(latencies),
        errors=errors[0],
        health_p99=quantile(health, 0.99),
        audio_per_cpu_second=len(latencies) * RECORDING_SECONDS / max(spent, 0.01),
    )


@dataclass(frozen=True, slots=True)
class WayFigures(Generic[W]):
    """One way of asking: audio seconds a second in each round, and medians over the rounds, with
    latencies in seconds. `audio_per_cpu_second` is by the time that the service had a core."""

    way: W
    rounds: tuple[float, ...]
    audio_per_second: float
    audio_per_cpu_second: float
    p50: float
    p95: float
    errors: int

    def named(self, name: str) -> dict[str, Any]:
        """As JSON, with the way under this name."""
        facts = dataclasses.asdict(self)
        return {name: facts.pop("way"), **facts}


def in_turns(
    ways: Mapping[W, Peer], clients: int, seconds: float, rounds: int
) -> list[WayFigures[W]]:
    """Ask in each way again and again; how it goes is told on standard error.

    Args:
        ways: who is asked in each.
        clients: at once, with one recording after the other.
        seconds: length of a run.
        rounds: runs of each way.
    """
    speech = sounds.speech(RECORDING_SECONDS)
    found: dict[W, list[ThroughputFigures]] = {way: [] for way in ways}
    for peer in ways.values():
        load(peer, speech, clients, min(WARM_UP_SECONDS, seconds))
    for number in range(1, rounds + 1):
        for way, peer in ways.items():
            figures = load(peer, speech, clients, seconds)
            found[way].append(figures)
            rate = f"{figures.audio_per_second:.1f}"
            print_words(
                f"round {number}, {way}: {rate} audio s / s",
                f"第 {number} 轮，{way}：每秒处理音频 {rate} 秒",
                to=sys.stderr,
            )
    return [_over(way, runs) for way, runs in found.items()]


def _over(way: W, runs: list[ThroughputFigures]) -> WayFigures[W]:
    def median(name: str) -> float:
        return float(statistics.median(getattr(run, name) for run in runs))

    return WayFigures(
        way, tuple(run.audio_per_second for run in runs), median("audio_per_second"),
        median("audio_per_cpu_second"), median("p50"), median("p95"),
        sum(run.errors for run in runs),
    )  # fmt: skip
