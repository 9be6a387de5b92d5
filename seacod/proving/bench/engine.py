"""`seacod bench engine`: what each batch size costs on this machine, and what to configure."""

from __future__ import annotations

import argparse
import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING

from seacod import logs
from seacod.config.load import load_settings
from seacod.config.schema import Settings
from seacod.errors import EX_OK
from seacod.paths import Paths
from seacod.proving.progress import busy_with
from seacod.proving.table import Table
from seacod.system.text.terminal import print_words

if TYPE_CHECKING:
    from seacod.asr.tuning import Tuning

HELP = "what batches of each size cost on this machine"
# What waits should be done within this time if every recording is so long.
_WAIT_SECONDS, _RECORDING_SECONDS = 60.0, 60.0
_FEWEST, _MOST = 4, 500
# Share of the deadline that the audio that waits may take.
_DEADLINE_SHARE = 0.8


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--tune", action="store_true", help="print limits for the configuration")
    parser.add_argument("--config", type=Path, help="configuration file")
    parser.add_argument("--model", help="model name, id or directory (asr.model)")


def run(options: argparse.Namespace) -> int:
    """Measure, and print: figures, or what to configure."""
    settings = load_settings(options.config, options={"asr.model": options.model})
    # To standard error: what is printed here may go into a configuration file.
    logs.configure(settings.log.model_copy(update={"file": None}), "client")
    kind, found = measure(settings)
    if options.json:
        print(json.dumps({"recogniser": kind, **dataclasses.asdict(found)}))
        return EX_OK
    # With --tune as comments, so that all of it can go into a configuration file.
    mark = "# " if options.tune else ""
    print(f"{mark}{settings.asr.model} ({kind})")
    table = Table[tuple[float, float]](
        ((f"{mark}padded seconds", f"{mark}补齐后秒数"), lambda row: f"{mark}{row[0]:.0f}"),
        (("seconds taken", "用时（秒）"), lambda row: f"{row[1]:.3f}"),
        (("audio s / s", "音频秒/秒"), lambda row: f"{row[0] / row[1]:.1f}"),
        first_columns=16,
    )
    table.show(found.measured)
    if options.tune:
        print(recommended(found, settings), end="")
    else:
        most = f"{found.useful_seconds:g}"
        print_words(
            f"nothing is gained beyond {most} padded seconds", f"补齐后超过 {most} 秒不再有收益"
        )
    return EX_OK


def measure(settings: Settings) -> tuple[str, Tuning]:
    """Load the model of these settings and try batch sizes up to asr.batch_seconds.

    Returns:
        The kind of its recogniser, and what was measured.

    Raises:
        ModelUnavailable: there is none.
    """
    from seacod.asr import tuning, warmup
    from seacod.asr.recognisers import registry as recognisers
    from seacod.models import registry

    paths = Paths.resolve(settings)
    models = registry.resolve(settings.asr, paths.models)
    with busy_with("loading the model", "正在加载模型"):
        engine = recognisers.load(models, settings.asr.cpu_threads)
        engine.place(settings.asr.device, settings.asr.precision)
    with busy_with("trying sizes of batches", "正在测试批次大小"):
        return engine.kind, tuning.measure(
            lambda batch: engine.recognise(batch),
            warmup.first_recording(),
            settings.asr.batch_seconds,
        )


def recommended(found: Tuning, settings: Settings) -> str:
    """The limits for this machine, as the configuration takes them."""
    places = found.speed * _WAIT_SECONDS / _RECORDING_SECONDS
    length = min(_MOST, max(_FEWEST, round(places)))
    waiting = round(found.speed * settings.limits.request_timeout_seconds * _DEADLINE_SHARE)
    return (
        "asr:\n"
        f"  batch_seconds: {max(2.0, found.useful_seconds):g}\n"
        "limits:\n"
        f"  queue_length: {length}\n"
        f"  queue_audio_seconds: {max(1, waiting)}\n"
    )
