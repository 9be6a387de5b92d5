"""How much audio gets through: ours beside its peers, in one run, on one machine, with one model.

Each client sends one recording after the other for a while; another one asks for health meanwhile.
The ratio between the figures is the result; the figures themselves belong to the machine.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

from seacod.errors import EX_OK
from seacod.proving import peers, sounds
from seacod.proving.audio_rate import RECORDING_SECONDS, WARM_UP_SECONDS, ThroughputFigures, load
from seacod.proving.drawing import draw
from seacod.proving.peers import Peer
from seacod.proving.table import Table
from seacod.system.text.terminal import print_words

HELP = "audio per second, compared with a Gradio app and funasr-server"
_TABLE = Table[ThroughputFigures](
    (("peer", "服务"), lambda f: f.peer),
    (("clients", "客户端"), lambda f: str(f.clients)),
    (("audio s / s", "音频秒/秒"), lambda f: f"{f.audio_per_second:.1f}"),
    (("p50 s", "P50（秒）"), lambda f: f"{f.p50:.2f}"),
    (("p95 s", "P95（秒）"), lambda f: f"{f.p95:.2f}"),
    (("p99 s", "P99（秒）"), lambda f: f"{f.p99:.2f}"),
    (("errors", "错误"), lambda f: str(f.errors)),
    (("health ms", "健康检查（毫秒）"), lambda f: f"{f.health_p99 * 1000:.1f}"),
    (("audio s / CPU s", "音频秒/CPU 秒"), lambda f: f"{f.audio_per_cpu_second:.1f}"),
    first_columns=17,
)


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
        print_words(
            f"{RECORDING_SECONDS:g} s recordings, {seconds:g} s a run, model {model}",
            f"录音每段 {RECORDING_SECONDS:g} 秒，每轮 {seconds:g} 秒，模型 {model}",
        )
        _TABLE.begin()
    starts = [
        lambda: peers.seacod(model, device),
        lambda: peers.plain_gradio(directory, theirs),
        lambda: peers.funasr_server(directory, theirs),
    ]
    tell = (lambda one: None) if options.json else _TABLE.add
    figures = measure(starts, options.clients, seconds, tell)
    found = {
        "model": model,
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
        print_words(f"{count:3} clients: {words}", f"{count:3} 个客户端：{words}")
    return EX_OK


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
            load(peer, speech, 2, min(WARM_UP_SECONDS, seconds))
            for count in clients:
                figures = load(peer, speech, count, seconds)
                tell(figures)
                found.append(figures)
    return found


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
