"""`seacod bench hotwords`: what hotwords cost, and what it costs that each client has its own. The
same clients at one service without any, with one list for all, and with a list each, in turns."""

from __future__ import annotations

import argparse
import itertools
import json
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from seacod.config.schema import Settings
from seacod.errors import EX_OK
from seacod.models import registry
from seacod.paths import Paths
from seacod.proving.audio_rate import RECORDING_SECONDS, WayFigures, in_turns
from seacod.proving.peers import Seacod
from seacod.proving.service import private_service
from seacod.proving.table import Table
from seacod.system.text.terminal import print_words

if TYPE_CHECKING:
    import httpx

HELP = "throughput without hotwords, with one list for all clients, and with a list each"
_FILE = "hotwords.json"


@dataclass(frozen=True, slots=True)
class _Listening(Seacod):
    """Clients of this service, each connection with the next of these lists."""

    lists: Iterator[str] = field(default_factory=lambda: itertools.repeat(""))
    given: dict[int, str] = field(default_factory=dict)

    def connect(self) -> httpx.Client:
        connection = Seacod.connect(self)
        self.given[id(connection)] = next(self.lists)
        return connection

    def post(self, connection: httpx.Client, recording: bytes) -> str:
        answer = connection.post(
            "/transcribe",
            files={"file": recording},
            data={"hotwords": self.given[id(connection)]},
        )
        return str(answer.raise_for_status().json()["text"])


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--clients", type=int, default=8, help="clients at once (8)")
    parser.add_argument("--words", type=int, default=10, help="words of a list (10)")
    parser.add_argument("--seconds", type=float, default=15.0, help="length of one run (15)")
    parser.add_argument("--rounds", type=int, default=5, help="runs of each way (5)")
    parser.add_argument("--device", default="auto", help="asr.device (auto)")
    parser.add_argument("--output", type=Path, help=f"directory for {_FILE}, beside other models")
    parser.add_argument("--model", default="builtin", help="asr.model (builtin)")


def run(options: argparse.Namespace) -> int:
    """Measure, and print."""
    clients, words = max(1, options.clients), max(1, options.words)
    found = measure(
        options.model, options.device, clients, words, max(1.0, options.seconds),
        max(1, options.rounds),
    )  # fmt: skip
    one = next(f for f in found if f.way == "one for all")
    name = Path(options.model).name
    body = {
        "clients": clients, "words": words, "run_seconds": options.seconds,
        "recording_seconds": RECORDING_SECONDS,
        "figures": [figures.named("lists") for figures in found],
        "ratios": {f.way: round(f.audio_per_second / one.audio_per_second, 3) for f in found},
        "cpu_ratios": {
            f.way: round(f.audio_per_cpu_second / one.audio_per_cpu_second, 3) for f in found
        },
    }  # fmt: skip
    if options.output is not None:
        options.output.mkdir(parents=True, exist_ok=True)
        file = options.output / _FILE
        kept = json.loads(file.read_text("utf-8")) if file.exists() else {}
        file.write_text(json.dumps({**kept, name: body}, indent=1) + "\n", "utf-8")
    if options.json:
        print(json.dumps({name: body}))
        return EX_OK
    print_words(
        f"{name}, {clients} clients, {words} words a list",
        f"{name}，{clients} 个客户端，每份词表 {words} 个词",
    )
    table = Table[WayFigures[str]](
        (("lists", "词表"), lambda f: f.way),
        (("audio s / s", "音频秒/秒"), lambda f: f"{f.audio_per_second:.1f}"),
        (("of one list", "比单一词表"), lambda f: f"{body['ratios'][f.way]:.2f}"),
        (("audio s / CPU s", "音频秒/CPU 秒"), lambda f: f"{f.audio_per_cpu_second:.1f}"),
        (("of one list", "比单一词表"), lambda f: f"{body['cpu_ratios'][f.way]:.2f}"),
        (("errors", "错误"), lambda f: str(f.errors)),
        first_columns=14,
    )
    table.show(found)
    return EX_OK


def measure(
    model: str, device: str, clients: int, words: int, seconds: float, rounds: int
) -> list[WayFigures[str]]:
    """One service, asked in each way in turns.

    Args:
        model, device: asr.model, asr.device.
        clients: at once, with one recording after the other.
        words: of each list; none of them is said.
        seconds: length of a run.
        rounds: runs of each way.
    """
    lists = _lists(model, clients, words)
    with private_service(model, asr={"device": device}) as service:
        port, pid = urlsplit(service.url).port or 0, service.process.pid
        # Asking for health takes a connection, too.
        ways = {
            "none": _Listening(port, pid),
            "one for all": _Listening(port, pid, itertools.repeat(lists[0])),
            "one each": _Listening(port, pid, itertools.cycle(lists)),
        }
        return in_turns(ways, clients, seconds, rounds)


def _lists(model: str, count: int, words: int) -> list[str]:
    """Lists of words of two characters that the model can write, each with other ones."""
    settings = Settings.model_validate({"asr": {"model": model}})
    directory = registry.resolve(settings.asr, Paths.resolve(settings).models).asr
    tokens = json.loads((directory / "tokens.json").read_text("utf-8"))
    characters = [token for token in tokens if len(token) == 1 and "\u4e00" <= token <= "\u9fff"]
    chance = random.Random(1)
    return [
        " ".join("".join(chance.sample(characters, 2)) for _ in range(words)) for _ in range(count)
    ]
