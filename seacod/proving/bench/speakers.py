"""`seacod bench speakers`: what telling speakers apart costs. The same clients at one service,
without and with speakers, in turns."""

from __future__ import annotations

import argparse
import dataclasses
import json
import statistics
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from seacod.config.schema import Settings
from seacod.errors import EX_OK
from seacod.models import speakers
from seacod.paths import Paths
from seacod.proving import sounds
from seacod.proving.bench.throughput import RECORDING_SECONDS, load
from seacod.proving.peers import Seacod
from seacod.proving.service import private_service

if TYPE_CHECKING:
    import httpx

HELP = "throughput without and with speakers=true"


@dataclass(frozen=True, slots=True)
class SpeakerFigures:
    """One way of asking: medians over the rounds. `audio_per_cpu_second` is by the time that the
    service and its processes had a core."""

    speakers: str
    audio_per_second: float
    audio_per_cpu_second: float
    errors: int


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
        figures = [dataclasses.asdict(one) for one in found]
        print(json.dumps({"figures": figures, "kept": kept, "kept_of_cpu": kept_cpu}))
        return EX_OK
    print(f"{Path(options.model).name}, {options.clients} clients")
    print("speakers   audio s / s   audio s / CPU s   errors")
    for one in found:
        print(
            f"{one.speakers or 'no':8} {one.audio_per_second:13.1f} "
            f"{one.audio_per_cpu_second:17.2f} {one.errors:8}"
        )
    print(f"with speakers: {kept:.0%} of the throughput, {kept_cpu:.0%} by processor time")
    return EX_OK


def measure(options: argparse.Namespace) -> tuple[SpeakerFigures, SpeakerFigures]:
    """One service, asked in both ways in turns."""
    asr = {"device": options.device}
    if options.models is not None:
        asr["models_directory"] = str(options.models.resolve())
    # What the configuration of this machine has is used; without a model there is nothing to see.
    settings = Settings.model_validate({"asr": asr})
    models = Paths.resolve(settings).models
    model = speakers.resolve(settings.asr.speaker_model, models)
    asr["models_directory"] = str(models)
    speech = sounds.speech(RECORDING_SECONDS)
    print(f"speaker model: {model.name}", file=sys.stderr)
    with private_service(options.model, asr=asr) as service:
        port, pid = urlsplit(service.url).port or 0, service.process.pid
        ways = {"": _Asking(port, pid), "true": _Asking(port, pid, "true")}
        found: dict[str, list[tuple[float, float, int]]] = {way: [] for way in ways}
        load(ways["true"], speech, options.clients, options.seconds)
        for number in range(max(1, options.rounds)):
            for way, peer in ways.items():
                seen = load(peer, speech, options.clients, options.seconds)
                found[way].append((seen.audio_per_second, seen.audio_per_cpu_second, seen.errors))
                print(
                    f"round {number + 1}, speakers={way or 'false'}: {seen.audio_per_second:.1f}",
                    file=sys.stderr,
                    flush=True,
                )
    without, having = (
        SpeakerFigures(
            way,
            statistics.median(one[0] for one in rounds),
            statistics.median(one[1] for one in rounds),
            sum(one[2] for one in rounds),
        )
        for way, rounds in found.items()
    )
    return without, having
