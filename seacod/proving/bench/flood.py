"""`seacod bench flood`: many recordings at once, each client coming back when it was told to.

What was let in has to be done within its deadline, and who was sent away should not have to come
more often than is needed.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING

from seacod.errors import EX_OK
from seacod.proving import sounds
from seacod.proving.progress import busy_with
from seacod.proving.service import private_service
from seacod.proving.statistics import quantile
from seacod.proving.table import Table
from seacod.system.text.terminal import print_words

if TYPE_CHECKING:
    import httpx

HELP = "many recordings at once: how many are accepted, and when the others are told to come back"
_PATIENCE_SECONDS = 3600.0


@dataclass(frozen=True, slots=True)
class FloodFigures:
    """One flood. Times are seconds; the first Retry-After is what a client is told at once."""

    recordings: int
    let_in_at_once: int
    killed_by_deadline: int
    tries: int
    first_retry_after_min: float
    first_retry_after_median: float
    first_retry_after_max: float
    all_done: float


_TABLE = Table[FloodFigures](
    (("let in", "当即接受"), lambda f: str(f.let_in_at_once)),
    (("504", "504"), lambda f: str(f.killed_by_deadline)),
    (("tries", "尝试次数"), lambda f: str(f.tries)),
    (("Retry-After: min", "Retry-After：最小"), lambda f: f"{f.first_retry_after_min:.0f}"),
    (("median", "中位"), lambda f: f"{f.first_retry_after_median:.0f}"),
    (("max", "最大"), lambda f: f"{f.first_retry_after_max:.0f}"),
    (("all done s", "全部完成（秒）"), lambda f: f"{f.all_done:.0f}"),
    first_columns=8,
)


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--recordings", type=int, default=40, help="how many at once (40)")
    parser.add_argument("--length", type=float, default=14.0, help="seconds of each (14)")
    parser.add_argument(
        "--deadline", type=float, default=60.0, help="limits.request_timeout_seconds (60)"
    )
    parser.add_argument("--device", default="auto", help="asr.device (auto)")
    parser.add_argument("--model", default="builtin", help="asr.model (builtin)")


def run(options: argparse.Namespace) -> int:
    """Flood, and print."""
    if not options.json:
        count, length, model = options.recordings, options.length, options.model
        print_words(
            f"{count} recordings of {length:g} s at once, {model}",
            f"同时发送 {count} 个 {length:g} 秒的录音，{model}",
        )
        _TABLE.begin()
    figures = measure(options)
    if options.json:
        print(json.dumps([dataclasses.asdict(figures)]))
    else:
        _TABLE.add(figures)
    return EX_OK


def measure(options: argparse.Namespace) -> FloodFigures:
    """One flood, on a service of the bench's own; options as typed."""
    with private_service(
        options.model,
        asr={"device": options.device},
        limits={"request_timeout_seconds": options.deadline},
    ) as service:
        with busy_with("waiting until batch sizes are measured", "等待批次大小测量"):
            service.wait_until_tuned()
        speech = sounds.speech(options.length)
        clients = [
            _InsistentClient(service.url, sounds.wav(speech, n)) for n in range(options.recordings)
        ]
        began = time.monotonic()
        for client in clients:
            client.start()
        count = len(clients)
        with busy_with(f"{count} recordings at once", f"同时发送 {count} 个录音"):
            for client in clients:
                client.join()
        took = time.monotonic() - began
    first = [client.told[0] for client in clients if client.told]
    return FloodFigures(
        recordings=len(clients),
        let_in_at_once=sum(not client.told for client in clients),
        killed_by_deadline=sum(client.killed for client in clients),
        tries=sum(client.tries for client in clients),
        first_retry_after_min=min(first, default=0.0),
        first_retry_after_median=quantile(first, 0.5),
        first_retry_after_max=max(first, default=0.0),
        all_done=took,
    )


class _InsistentClient(threading.Thread):
    """Sends one recording until it has a text; `told` is each Retry-After."""

    def __init__(self, url: str, recording: bytes) -> None:
        super().__init__(name="bench-flood")
        self._url = url
        self._recording = recording
        self.told: list[float] = []
        self.killed = 0
        self.tries = 0

    def run(self) -> None:
        import httpx

        with httpx.Client(timeout=_PATIENCE_SECONDS, trust_env=False) as client:
            for pause in self._answers(client):
                time.sleep(pause)

    def _answers(self, client: httpx.Client) -> Iterator[float]:
        """Each pause before the next try."""
        while True:
            self.tries += 1
            answer = client.post(f"{self._url}/transcribe", files={"file": self._recording})
            if answer.status_code == HTTPStatus.SERVICE_UNAVAILABLE:
                self.told.append(float(answer.headers["Retry-After"]))
                yield self.told[-1]
            elif answer.status_code == HTTPStatus.GATEWAY_TIMEOUT:
                self.killed += 1
                yield 0.0
            else:
                answer.raise_for_status()
                return
