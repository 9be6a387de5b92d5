"""`seacod bench restart`: from a worker's death to the first right text, kills in a row, and what
the nursery and the waiting worker cost. `--against REVISION`: from the start of the service to it,
this tree and another one in turns."""

from __future__ import annotations

import argparse
import dataclasses
import json
import signal
import statistics
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import psutil

from seacod.client import status_socket
from seacod.errors import EX_OK, SeacodError
from seacod.models.examples import EXAMPLES, examples
from seacod.proving import revisions
from seacod.proving.processor import own_bytes
from seacod.proving.progress import busy_with
from seacod.proving.service import PrivateService, private_service, starting
from seacod.system.text.terminal import in_language as say
from seacod.system.text.terminal import padded, print_words

HELP = "time to the first right text after a kill, and what the nursery and the waiting worker cost"
_PAUSE_SECONDS = 0.01
# A start takes seconds: asking more often would only slow it down.
_START_PAUSE_SECONDS = 0.05
# A service that has not answered by then does not come any more.
_PATIENCE_SECONDS = 600.0


@dataclass(frozen=True, slots=True)
class RestartFigures:
    """Kills in a row: seconds from each SIGKILL to the first right transcription, and memory."""

    seconds: tuple[float, ...]
    worker_bytes: int
    """Its own: anonymous memory, each shared page by its share."""
    waiting_bytes: int
    """Own memory of the nurseries from which the next worker and its decoders are forked, and of
    the worker that is forked ahead."""


@dataclass(frozen=True, slots=True)
class StartFigures:
    """Seconds from the start of the service to the first right transcription, one a round."""

    against: str
    """The commit of the other tree."""
    seconds: tuple[float, ...]
    against_seconds: tuple[float, ...]

    @property
    def ratio(self) -> float:
        """Median of this tree over median of the other."""
        return statistics.median(self.seconds) / statistics.median(self.against_seconds)


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--rounds", type=int, default=10, help="kills in a row, or starts (10)")
    parser.add_argument(
        "--against",
        metavar="REVISION",
        help="instead, starts of the service: this tree and a revision of its checkout in turns",
    )
    parser.add_argument("--model", default="builtin", help="asr.model (builtin)")
    parser.add_argument("--punctuation", help="asr.punctuation_model")


def run(options: argparse.Namespace) -> int:
    """Measure, and print."""
    example, rounds = examples()[0], max(1, options.rounds)
    text = str(example["text"]) if options.model == "builtin" else None
    recording = EXAMPLES / example["file"]
    if options.against:
        return _compare(options, rounds, recording, text)
    figures = measure(options.model, rounds, recording, text, options.punctuation)
    if options.json:
        print(json.dumps(dataclasses.asdict(figures)))
        return EX_OK
    median, worst = statistics.median(figures.seconds), max(figures.seconds)
    own, ahead = figures.worker_bytes / 1e6, figures.waiting_bytes / 1e6
    print_words(
        f"from SIGKILL of the worker to the first right transcription, {rounds} kills in a row",
        f"从 SIGKILL 识别进程到首次正确识别，连续 {rounds} 次",
    )
    print(f"  {_seconds(figures.seconds)}")
    print_words(
        f"  median {median:.2f} s, worst {worst:.2f} s\n"
        f"  worker's own memory      {own:.0f} MB\n"
        f"  nursery, waiting worker  {ahead:.0f} MB",
        f"  中位数 {median:.2f} 秒，最慢 {worst:.2f} 秒\n"
        f"  识别进程独占内存      {own:.0f} MB\n"
        f"  预备进程与待命进程    {ahead:.0f} MB",
    )
    return EX_OK


def measure(
    model: str, rounds: int, recording: Path, text: str | None, punctuation: str | None = None
) -> RestartFigures:
    """Kill the worker again and again, each time as soon as it has answered.

    Args:
        model: asr.model.
        rounds: kills.
        recording: sent again and again until it is answered.
        text: what it says; None to take any text for right (another model than the built-in one).
        punctuation: asr.punctuation_model; None for the default.

    Raises:
        SeacodError: the service did not start, or does not transcribe.
    """
    asr: dict[str, object] = {} if punctuation is None else {"punctuation_model": punctuation}
    with private_service(model, asr=asr) as service:
        nursery = service.wait_for_nursery()
        with busy_with(f"killing the worker {rounds} times", f"终止识别进程 {rounds} 次"):
            seconds = tuple(_one_round(service, recording, text) for _ in range(rounds))
        worker = service.status()["worker"]["pid"]
        waiting = service.wait_for_waiting_worker()
        ahead = (nursery, waiting, *(one.pid for one in psutil.Process(nursery).children()))
        return RestartFigures(seconds, own_bytes(worker), sum(map(own_bytes, ahead)))


def _compare(options: argparse.Namespace, rounds: int, recording: Path, text: str | None) -> int:
    figures = compare(options.against, options.model, rounds, recording, text)
    if options.json:
        print(json.dumps({**dataclasses.asdict(figures), "ratio": figures.ratio}))
        return EX_OK
    print_words(
        f"from the start of the service to the first right transcription, {rounds} rounds each",
        f"从启动服务到首次正确识别，各 {rounds} 轮",
    )
    names = (
        say("this tree", "当前代码"),
        figures.against[:12],
        say("ratio of medians", "中位数之比"),
    )
    print(f"  {padded(names[0], 17)}{_seconds(figures.seconds)}")
    print(f"  {padded(names[1], 17)}{_seconds(figures.against_seconds)}")
    print(f"  {padded(names[2], 17)}{figures.ratio:.3f}")
    return EX_OK


def compare(
    against: str, model: str, rounds: int, recording: Path, text: str | None
) -> StartFigures:
    """Start this tree and another one in turns, each in a directory of its own.

    A first start of each is not counted: it compiles, fills the page cache and measures the batch
    sizes, which later ones remember.

    Args:
        against: a revision of the checkout.
        model: asr.model.
        rounds: counted starts of each.
        recording: sent until it is answered.
        text: what it says; None to take any text for right.

    Raises:
        BadRequest: there is no such revision.
        SeacodError: a service did not start.
    """
    with revisions.checked_out(against) as other, tempfile.TemporaryDirectory() as scratch:
        trees = {"this": revisions.OWN_TREE, "other": other.tree}
        figures: dict[str, list[float]] = {name: [] for name in trees}
        for name in trees:
            (Path(scratch) / name).mkdir()
        for turn in range(rounds + 1):
            # Neither always comes second.
            for name in sorted(trees, reverse=bool(turn % 2)):
                with (
                    busy_with(f"start {turn} of {rounds}: {name}", f"启动 {turn}/{rounds}：{name}"),
                    starting(Path(scratch) / name, model, tree=trees[name]) as service,
                ):
                    seconds = _first_text(service, recording, text)
                if turn:
                    figures[name].append(seconds)
        return StartFigures(other.commit, tuple(figures["this"]), tuple(figures["other"]))


def _first_text(service: PrivateService, recording: Path, text: str | None) -> float:
    while time.monotonic() - service.began < _PATIENCE_SECONDS and service.process.poll() is None:
        heard = service.transcribe(recording)
        if heard is not None and text in (None, heard):
            return time.monotonic() - service.began
        time.sleep(_START_PAUSE_SECONDS)
    log = (service.directory / "log").read_text("utf-8", "replace")
    raise SeacodError(
        f"the service never gave a text; its log ends:\n{log[-2000:]}",
        f"服务一直没有给出文本；其日志末尾为：\n{log[-2000:]}",
    )


def _one_round(service: PrivateService, recording: Path, text: str | None) -> float:
    if service.transcribe(recording) is None:
        raise SeacodError("the bench's own service does not transcribe", "测试用服务无法识别")
    pid = service.status()["worker"]["pid"]
    begun = time.monotonic()
    status_socket.signal_at(service.status_socket, pid, signal.SIGKILL)
    while True:
        heard = service.transcribe(recording)
        if heard is not None and text in (None, heard):
            return time.monotonic() - begun
        time.sleep(_PAUSE_SECONDS)


def _seconds(times: tuple[float, ...]) -> str:
    return "  ".join(f"{time:6.2f} s" for time in times)
