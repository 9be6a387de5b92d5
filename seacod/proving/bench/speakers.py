"""`seacod bench speakers`: what telling speakers apart costs. The same clients at one service,
without and with speakers, in turns."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from seacod.config.schema import Settings
from seacod.errors import EX_OK
from seacod.models import speakers
from seacod.paths import Paths
from seacod.proving.audio_rate import WayFigures, in_turns
from seacod.proving.peers import Seacod
from seacod.proving.service import private_service
from seacod.proving.table import Table
from seacod.system.text.terminal import in_language as say
from seacod.system.text.terminal import print_words

if TYPE_CHECKING:
    import httpx

HELP = "throughput without and with speakers=true"


@dataclass(frozen=True, slots=True)
class _Asking(Seacod):
    """Clients of this service who ask for speakers, or do not."""

    speakers: str = ""

    def post(self, connection: httpx.Client, recording: bytes) -> str:
        answer = connection.post(
            "/transcribe", files={"file": recording}, data={"speakers": self.speakers}
        )
        return str(answer.raise_for_status().json()["text"])


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--clients", type=int, default=8, help="clients at once (8)")
    parser.add_argument("--seconds", type=float, default=15.0, help="length of one run (15)")
    parser.add_argument("--rounds", type=int, default=5, help="runs of each way (5)")
    parser.add_argument("--device", default="auto", help="asr.device (auto)")
    parser.add_argument("--model", default="builtin", help="asr.model (builtin)")
    parser.add_argument("--models", type=Path, help="asr.models_directory, with a speaker model")


def run(options: argparse.Namespace) -> int:
    """Measure, and print.

    Raises:
        NoSpeakerModel: there is no speaker model to measure.
    """
    found = measure(options)
    without, having = found
    kept = having.audio_per_second / without.audio_per_second
    kept_cpu = having.audio_per_cpu_second / without.audio_per_cpu_second
    if options.json:
        figures = [one.named("speakers") for one in found]
        print(json.dumps({"figures": figures, "kept": kept, "kept_of_cpu": kept_cpu}))
        return EX_OK
    name = Path(options.model).name
    print_words(f"{name}, {options.clients} clients", f"{name}，{options.clients} 个客户端")
    table = Table[WayFigures[str]](
        (("speakers", "说话人"), lambda one: one.way or say("no", "否")),
        (("audio s / s", "音频秒/秒"), lambda one: f"{one.audio_per_second:.1f}"),
        (("audio s / CPU s", "音频秒/CPU 秒"), lambda one: f"{one.audio_per_cpu_second:.2f}"),
        (("errors", "错误"), lambda one: str(one.errors)),
        first_columns=8,
    )
    table.show(found)
    print_words(
        f"with speakers: {kept:.0%} of the throughput, {kept_cpu:.0%} by processor time",
        f"区分说话人时：吞吐量为 {kept:.0%}，按处理器时间计为 {kept_cpu:.0%}",
    )
    return EX_OK


def measure(options: argparse.Namespace) -> list[WayFigures[str]]:
    """One service, asked without and with speakers, in turns."""
    asr = {"device": options.device}
    if options.models is not None:
        asr["models_directory"] = str(options.models.resolve())
    # What the configuration of this machine has is used; without a model there is nothing to see.
    settings = Settings.model_validate({"asr": asr})
    models = Paths.resolve(settings).models
    model = speakers.resolve(settings.asr.speaker_model, models)
    asr["models_directory"] = str(models)
    print_words(f"speaker model: {model.name}", f"说话人模型：{model.name}", to=sys.stderr)
    with private_service(options.model, asr=asr) as service:
        port, pid = urlsplit(service.url).port or 0, service.process.pid
        ways = {"": _Asking(port, pid), "true": _Asking(port, pid, "true")}
        return in_turns(ways, options.clients, options.seconds, max(1, options.rounds))
