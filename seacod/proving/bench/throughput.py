"""How much audio gets through: ours beside its peers, in one run, on one machine, with one model.

Each client sends one recording after the other for a while; another one asks for health meanwhile.
The ratio between the figures is the result; the figures themselves belong to the machine.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import json
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from seacod.errors import EX_OK
from seacod.proving import peers, revisions, sounds
from seacod.proving.drawing import draw
from seacod.proving.peers import Peer
from seacod.proving.processor import processor_seconds
from seacod.proving.progress import busy_with
from seacod.proving.statistics import quantile

if TYPE_CHECKING:
    from seacod.asr.audio import Samples

HELP = "audio per second, compared with a Gradio app and funasr-server"
RECORDING_SECONDS = 14.0
_HEALTH_EVERY_SECONDS = 0.1


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


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--clients",
        type=int,
        nargs="+",
        default=[1, 4, 8, 16],
        help="numbers of clients (1 4 8 16)",
    )
    parser.add_argument("--seconds", type=float, default=15.0, help="length of one run (15)")
    parser.add_argument("--device", default="auto", help="asr.device (auto)")
    parser.add_argument("--output", type=Path, help="directory for throughput.json and .svg")
    parser.add_argument("--model", default="builtin", help="asr.model (builtin)")
    parser.add_argument(
        "--against", metavar="REVISION", help="also another revision of the checkout this runs from"
    )


def run(options: argparse.Namespace) -> int:
    """Measure, and print."""
    from seacod.accelerators.registry import resolve
    from seacod.config.schema import Settings
    from seacod.models import registry
    from seacod.paths import Paths

    model, device, seconds = options.model, options.device, max(1.0, options.seconds)
    settings = Settings.model_validate({"asr": {"model": model, "device": device}})
    directory = registry.resolve(settings.asr, Paths.resolve(settings).models).asr
    theirs = resolve(device)
    if not options.json:
        print(f"{RECORDING_SECONDS:g} s recordings, {seconds:g} s a run, model {model}")
        print(
            "peer              clients audio s / s    p50 s    p95 s    p99 s  errors  health ms"
            "  / CPU s"
        )
    with contextlib.ExitStack() as stack:
        starts = [
            lambda: peers.seacod(model, device),
            lambda: peers.plain_gradio(directory, theirs),
            lambda: peers.funasr_server(directory, theirs),
        ]
        if options.against:
            other = stack.enter_context(revisions.checked_out(options.against))
            starts.insert(1, lambda: peers.seacod(model, device, other.tree))
        tell = (lambda one: None) if options.json else _print
        figures = measure(starts, options.clients, seconds, tell)
    found = {
        "model": model,
        **({"against": other.commit} if options.against else {}),
        "recording_seconds": RECORDING_SECONDS,
        "run_seconds": seconds,
        "figures": [dataclasses.asdict(one) for one in figures],
        "ratios": ratios(figures),
    }
    if options.output is not None:
        options.output.mkdir(parents=True, exist_ok=True)
        (options.output / "throughput.json").write_text(json.dumps(found, indent=1) + "\n", "utf-8")
        (options.output / "throughput.svg").write_text(chart(figures), "utf-8")
    if options.json:
        print(json.dumps(found))
        return EX_OK
    for count, by_peer in ratios(figures).items():
        words = ", ".join(f"{ratio:.2f} x {peer}" for peer, ratio in by_peer.items())
        print(f"{count:3} clients: {words}")
    return EX_OK


def _print(f: ThroughputFigures) -> None:
    print(
        f"{f.peer:17} {f.clients:7} {f.audio_per_second:11.1f} {f.p50:8.2f} {f.p95:8.2f} "
        f"{f.p99:8.2f} {f.errors:7} {f.health_p99 * 1000:10.1f} {f.audio_per_cpu_second:8.1f}",
        flush=True,
    )


def measure(
    starts: Sequence[Callable[[], AbstractContextManager[Peer]]],
    clients: Sequence[int],
    seconds: float,
    tell: Callable[[ThroughputFigures], None],
) -> list[ThroughputFigures]:
    """One peer after the other, each alone on the machine.

    Args:
        starts: start a peer.
        clients: how many at once, one run for each number.
        seconds: length of a run.
        tell: called after each run.
    """
    speech = sounds.speech(RECORDING_SECONDS)
    found = []
    for start in starts:
        with start() as peer:
            # What a first recording costs once is not what is measured.
            load(peer, speech, 2, min(3.0, seconds))
            for count in clients:
                figures = load(peer, speech, count, seconds)
                tell(figures)
                found.append(figures)
    return found


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


def ratios(figures: Sequence[ThroughputFigures]) -> dict[int, dict[str, float]]:
    """By number of clients: how many times as much as each peer the first one does."""
    first = figures[0].peer
    own = {f.clients: f.audio_per_second for f in figures if f.peer == first}
    found: dict[int, dict[str, float]] = {}
    for figure in figures:
        if figure.peer != first and figure.audio_per_second:
            ratio = own[figure.clients] / figure.audio_per_second
            found.setdefault(figure.clients, {})[figure.peer] = ratio
    return found


def chart(figures: Sequence[ThroughputFigures]) -> str:
    """Audio seconds per second by number of clients, as SVG."""
    return draw(
        "bars.svg",
        figures=figures,
        peers=list(dict.fromkeys(f.peer for f in figures)),
        counts=sorted({f.clients for f in figures}),
        most=max(f.audio_per_second for f in figures) or 1.0,
    )
