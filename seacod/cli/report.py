"""`seacod report`: the slowest requests of a while and where their time went, from the log.

Reads what the worker wrote for each request (`transcribed`, `not_transcribed`): the log file where
one is configured, otherwise the journal of the unit.
"""

from __future__ import annotations

import argparse
import datetime
import json
import re
import shutil
import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seacod.cli.options import add_config, add_json
from seacod.config import load_settings
from seacod.errors import EX_OK, BadRequest, NotRunning
from seacod.proving.statistics import quantile
from seacod.system.terminal import date_and_time

HELP = "the slowest requests, and where their time went"
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_EVENTS = ("transcribed", "not_transcribed")
# Where a request's time can go: the field of the log, and in words.
_STAGES = (
    ("queue_seconds", "waiting in the queue"),
    ("decoding_seconds", "decoding"),
    ("voice_seconds", "finding speech"),
    ("inference_seconds", "the model"),
)
_UNIT = "seacod"


@dataclass(frozen=True, slots=True)
class Request:
    """One request of the log; times in seconds."""

    at: float
    fields: dict[str, Any]

    @property
    def seconds(self) -> float:
        """How long it took from the upload's last byte to the answer."""
        return float(self.fields.get("seconds") or 0.0)

    @property
    def outcome(self) -> str:
        return str(self.fields.get("outcome", "text"))

    def stages(self) -> dict[str, float]:
        """Seconds by stage; what is left over is waiting for the model and putting together."""
        known = {text: float(self.fields.get(name) or 0.0) for name, text in _STAGES}
        return {**known, "other": max(0.0, self.seconds - sum(known.values()))}

    def why(self) -> str:
        """Where most of its time went, in words."""
        if "queue_seconds" not in self.fields:
            return str(self.fields.get("said") or self.outcome)
        stages = self.stages()
        most = max(stages, key=lambda name: stages[name])
        share = stages[most] / self.seconds if self.seconds else 0.0
        words = "waiting for the model" if most == "other" else most
        return f"{share:.0%} {words} ({stages[most]:.2f} s)"


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--since", default="1h", help="how far back: 30m, 1h, 2d (1h)")
    parser.add_argument("--log", type=Path, help="log file; default: log.file, else the journal")
    parser.add_argument("--count", type=int, default=10, help="how many (10)")
    add_json(parser)
    add_config(parser)


def run(options: argparse.Namespace) -> int:
    """Print the slowest requests.

    Raises:
        BadRequest: `--since` is no length of time.
        NotRunning: there is neither file nor journal.
    """
    log_file: Path | None = options.log or load_settings(options.config).log.file
    count = max(1, options.count)
    from_time = datetime.datetime.now().timestamp() - seconds_of(options.since)
    lines = _file(log_file) if log_file is not None else _journal(from_time)
    found = sorted(requests(lines, from_time), key=lambda one: -one.seconds)
    if options.json:
        body = [{"at": one.at, "why": one.why(), **one.fields} for one in found[:count]]
        print(json.dumps({"requests": len(found), "slowest": body}, ensure_ascii=False))
        return EX_OK
    _print(found, count, options.since)
    return EX_OK


def seconds_of(text: str) -> float:
    """How many seconds a length of time such as 30s, 15m, 1h or 2d has.

    Raises:
        BadRequest: it is none of these.
    """
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([smhd])", text)
    if match is None:
        raise BadRequest(f"--since {text}: write a number and s, m, h or d, such as 1h")
    return float(match[1]) * _UNITS[match[2]]


def requests(lines: Iterable[str], from_time: float) -> Iterator[Request]:
    """What the lines say of requests; lines that are something else are passed over."""
    for line in lines:
        try:
            fields = json.loads(line)
        except ValueError:
            continue
        if not isinstance(fields, dict):
            continue
        fields = _from_journal(fields) if "MESSAGE" in fields else fields
        if fields.get("event") not in _EVENTS:
            continue
        at = _time(fields)
        if at is not None and at >= from_time:
            yield Request(at, fields)


def _print(found: list[Request], count: int, since: str) -> None:
    if not found:
        print(f"no request in the last {since}")
        return
    failed: dict[str, int] = {}
    for one in found:
        if one.outcome != "text":
            failed[one.outcome] = failed.get(one.outcome, 0) + 1
    answered = [one.seconds for one in found if one.outcome == "text"]
    print(f"{len(found)} requests in the last {since}: {len(answered)} answered", end="")
    if answered:
        p50, p95 = quantile(answered, 0.5), quantile(answered, 0.95)
        print(f" (P50 {p50:.2f} s, P95 {p95:.2f} s)", end="")
    print("".join(f", {number} {reason}" for reason, number in sorted(failed.items())))
    print(f"\n{'when':19}  {'took':>8}  {'audio':>8}  {'factor':>6}  {'request':16}  why")
    for one in found[:count]:
        audio = one.fields.get("audio_seconds")
        factor = one.fields.get("real_time_factor")
        print(
            f"{date_and_time(one.at)}  {one.seconds:7.2f}s  "
            f"{'—' if audio is None else f'{float(audio):.1f}s':>8}  "
            f"{'—' if factor is None else f'{float(factor):.3f}':>6}  "
            f"{str(one.fields.get('request_id', ''))[:16]:16}  {one.why()}"
        )


def _file(path: Path) -> Iterator[str]:
    """The file, and the one that logrotate put aside last."""
    for part in (path.with_name(path.name + ".1"), path):
        if part.exists():
            with part.open(encoding="utf-8", errors="replace") as lines:
                yield from lines
    if not path.exists():
        raise NotRunning(f"{path}: there is no such log; see log.file in the configuration")


def _journal(from_time: float) -> Iterator[str]:
    program = shutil.which("journalctl")
    if program is None:
        raise NotRunning("there is no journal on this machine; give a log file with --log")
    command = [program, "-u", _UNIT, "--since", f"@{int(from_time)}", "-o", "json", "--no-pager"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, errors="replace") as process:
        assert process.stdout is not None
        yield from process.stdout


def _from_journal(entry: dict[str, Any]) -> dict[str, Any]:
    """Fields as the log file has them; the journal has only text, in names of its own."""
    fields: dict[str, Any] = {}
    for name, value in entry.items():
        if not name.startswith("SEACOD_"):
            continue
        key = name.removeprefix("SEACOD_").lower()
        try:
            # An id may look like a number; it is none.
            fields[key] = value if key == "request_id" else json.loads(value)
        except (ValueError, TypeError):
            fields[key] = value
    at = entry.get("__REALTIME_TIMESTAMP")
    return {**fields, "at": float(at) / 1e6} if at else fields


def _time(fields: dict[str, Any]) -> float | None:
    if "at" in fields:
        return float(fields["at"])
    try:
        return datetime.datetime.fromisoformat(str(fields.get("timestamp"))).timestamp()
    except ValueError:
        return None
