"""`seacod bench gpu`: the first hour on a GPU as one command, within 25 minutes.

Each step is kept as soon as it is over; one that fails costs itself; one that needs a GPU, or for
which no time is left, says that it was skipped. Writes gpu.json and the page gpu.md.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import json
import platform
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from datetime import datetime, timezone
from functools import partial
from pathlib import Path
from typing import Any

from seacod.errors import EX_FAILURE, EX_OK
from seacod.proving import audio_rate, gpu_steps, peers, sounds
from seacod.proving.bench import throughput as compare
from seacod.proving.gpu_steps import Bench, Facts, Skipped, Step, memory_of
from seacod.proving.progress import busy_with
from seacod.proving.service import private_service
from seacod.system.text.terminal import in_language as say
from seacod.system.text.terminal import padded
from seacod.system.text.words import NOTHING

_CLIENTS = (1, 4, 8, 16)
_RUN_SECONDS = 12.0


def _throughput(bench: Bench) -> Facts:
    """Ours in both precisions, and the peers, at each number of clients."""
    from seacod.accelerators.registry import resolve
    from seacod.asr.recognisers import precision
    from seacod.config.schema import Settings
    from seacod.models import registry
    from seacod.paths import Paths

    settings = Settings.model_validate({"asr": {"model": bench.model}})
    directory = registry.resolve(settings.asr, Paths.resolve(settings).models).asr
    device = resolve(bench.device)
    found: Facts = {}
    ways = dict.fromkeys(("float32", precision.resolve("auto", bench.device)))
    starts: dict[str, Callable[[], AbstractContextManager[peers.Peer]]] = {
        **{
            f"seacod {way}": partial(peers.seacod, bench.model, device, precision=way)
            for way in ways
        },
        "plain Gradio app": partial(peers.plain_gradio, directory, device),
        "funasr-server": partial(peers.funasr_server, directory, device),
    }
    for name, start in starts.items():
        figures = compare.measure([start], _CLIENTS, _RUN_SECONDS, lambda _: None)
        found[name] = [dataclasses.asdict(each) for each in figures]
    return found


def _two_workers(bench: Bench) -> Facts:
    """Two workers on one device."""
    supervisor: dict[str, object] = {"workers": "2"}
    with private_service(bench.model, asr=bench.asr, supervisor=supervisor) as service:
        service.wait_until(
            lambda: all(w["state"] == "serving" for w in service.status().get("workers", [{}])),
            "two workers",
        )
        peer = peers.Seacod(int(service.url.rpartition(":")[2]), service.process.pid)
        figures = audio_rate.load(
            peer, sounds.speech(audio_rate.RECORDING_SECONDS), 8, _RUN_SECONDS
        )
        return {
            "processes": memory_of(service),
            "audio_per_second": figures.audio_per_second,
            "errors": figures.errors,
        }


# By how much each tells: what comes last may find no time left.
STEPS = (
    Step("install", ("PyTorch on the GPU", "GPU 上的 PyTorch"), 60, gpu_steps.install),
    Step("load", ("Load and place", "加载与放置"), 120, gpu_steps.load),
    Step("fork", ("Forked children", "派生的子进程"), 120, gpu_steps.fork),
    Step("memory", ("Memory by process", "各进程内存"), 120, gpu_steps.memory),
    Step("kill", ("Kill and recovery", "终止与恢复"), 150, gpu_steps.kill),
    Step("out_of_memory", ("Out of memory", "显存不足"), 180, gpu_steps.out_of_memory),
    Step("watchdog", ("Watchdog on real readings", "按实际读数监视"), 120, gpu_steps.watchdog),
    Step("two_workers", ("Two workers on one device", "同一设备上两个识别进程"), 150, _two_workers),
    Step("throughput", ("Throughput", "吞吐量"), 600, _throughput),
)

HELP = "everything that a GPU is to be measured for, in 25 minutes"
_LIMIT_SECONDS = 25 * 60.0
_STATES = {"done": "完成", "skipped": "跳过", "failed": "失败"}
# A step that may not take even so long is not begun.
_SHORTEST_SECONDS = 20.0


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--model", default="builtin", help="asr.model (builtin)")
    parser.add_argument("--punctuation", default="auto", help="asr.punctuation_model (auto)")
    parser.add_argument("--device", default="auto", help="asr.device (auto)")
    parser.add_argument(
        "--minutes", type=float, default=_LIMIT_SECONDS / 60, help="time for all steps (25)"
    )
    parser.add_argument(
        "--steps", nargs="+", choices=[step.name for step in STEPS], help="only these"
    )
    parser.add_argument("--output", type=Path, help="directory for gpu.json and gpu.md")


def run(options: argparse.Namespace) -> int:
    """Take one step after the other; fails when one of them did."""
    from seacod.accelerators.registry import resolve

    bench = Bench(options.model, options.punctuation, resolve(options.device))
    steps = [step for step in STEPS if not options.steps or step.name in options.steps]
    found: Facts = {
        "device": bench.device,
        "machine": platform.processor() or platform.machine(),
        "began": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "model": Path(bench.model).name,
        "steps": {},
    }
    until = time.monotonic() + 60 * options.minutes
    for step in steps:
        with busy_with(*step.title):
            outcome = found["steps"][step.name] = take(step, bench, until - time.monotonic())
        if options.output is not None:
            write(found, options.output)
        if not options.json:
            state, why = outcome["state"], say(outcome["why"], outcome["why_zh"])
            shown = padded(say(*step.title), 26), padded(say(state, _STATES[state]), 8)
            print(*shown, f"{outcome['seconds']:5.0f} s", why)
    if options.json:
        print(json.dumps(found))
    failed = any(outcome["state"] == "failed" for outcome in found["steps"].values())
    return EX_FAILURE if failed else EX_OK


def take(step: Step, bench: Bench, left_seconds: float) -> Facts:
    """What became of a step: done, skipped or failed, and why.

    Args:
        step: which.
        bench: what it is for.
        left_seconds: of all time.
    """
    began = time.monotonic()
    state, why, facts = "done", NOTHING, {}
    try:
        if left_seconds < _SHORTEST_SECONDS:
            raise Skipped("no time was left", "没有剩余时间")
        with _within(min(step.seconds, left_seconds)):
            facts = step.run(bench)
    except Skipped as skipped:
        state, why = "skipped", skipped.words
    except TimeoutError:
        state, why = "failed", ("it took longer than it may", "超过时限")
    except Exception as error:
        said = f"{type(error).__name__}: {error}"[:2000]
        state, why = "failed", (said, said)
    seconds = round(time.monotonic() - began, 1)
    return {
        "state": state, "why": why[0], "why_zh": why[1], "seconds": seconds, "facts": facts,
    }  # fmt: skip


def write(found: Facts, directory: Path) -> None:
    """gpu.json, and the page made of it."""
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "gpu.json").write_text(json.dumps(found, indent=1) + "\n", "utf-8")
    (directory / "gpu.md").write_text(page(found), "utf-8")


def page(found: Facts) -> str:
    """All that was found, for reading."""
    lines = [
        "# A first hour on a GPU",
        "",
        f"`seacod bench gpu`, {found['began']}; device {found['device']}, machine "
        f"{found['machine']}, model {found['model']}.",
        "",
        "| step | | seconds | |",
        "|---|---|---|---|",
    ]
    titles = {step.name: step.title[0] for step in STEPS}
    for name, outcome in found["steps"].items():
        why = outcome["why"].replace("\n", " ").replace("|", "/")[:200]
        lines.append(f"| {titles[name]} | {outcome['state']} | {outcome['seconds']} | {why} |")
    for name, outcome in found["steps"].items():
        if outcome["facts"]:
            lines += ["", f"## {titles[name]}", "", *_shown(outcome["facts"])]
    return "\n".join([*lines, ""])


def _shown(facts: Facts) -> Iterator[str]:
    """Lists of alike things as tables, the rest as lines."""
    for name, value in facts.items():
        if isinstance(value, list) and value and isinstance(value[0], dict):
            yield from ["", f"{name}:", "", *_table(value), ""]
        else:
            yield f"- {name}: {_cell(value)}"


def _table(rows: Sequence[Facts]) -> Iterator[str]:
    columns = list(rows[0])
    yield "| " + " | ".join(columns) + " |"
    yield "|" + "---|" * len(columns)
    for row in rows:
        yield "| " + " | ".join(_cell(row[column]) for column in columns) + " |"


def _cell(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {_cell(one)}" for name, one in value.items())
    if isinstance(value, list):
        return ", ".join(map(_cell, value))
    return f"{value:.3g}" if isinstance(value, float) else str(value)


@contextlib.contextmanager
def _within(seconds: float) -> Iterator[None]:
    """
    Raises:
        TimeoutError: the block took longer; what it has opened is closed on the way.
    """

    def over(*_: object) -> None:
        raise TimeoutError

    before = signal.signal(signal.SIGALRM, over)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
