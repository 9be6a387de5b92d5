"""`seacod soak`: a run and its report."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from pathlib import Path
from typing import Any

from seacod.cli.options import add_config, add_json, add_key, api_key
from seacod.errors import EX_FAILURE, EX_INTERRUPTED, EX_OK, BadRequest
from seacod.system.files.writing import making, writing

HELP = "days of mixed work at high speed, and a report"


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--hours", type=float, default=72.0, help="hours of the timetable (72)")
    parser.add_argument(
        "--speed", type=float, default=24.0, help="how many times real time its clock runs (24)"
    )
    parser.add_argument(
        "--drills", nargs="+", default=[], metavar="DRILL", help="inject one of these in each hour"
    )
    parser.add_argument(
        "--recordings", type=Path, nargs="+", default=[], metavar="FILE",
        help="speech to send (the shipped examples)",
    )  # fmt: skip
    parser.add_argument(
        "-o", "--output", type=Path, default=Path(), help="directory for soak.html and soak.json"
    )
    add_key(parser)
    add_json(parser)
    add_config(parser)


def run(options: argparse.Namespace) -> int:
    """Put a running service to work, and write a report.

    Returns:
        0 when all went well, 1 when something did not, 130 when it was ended early and was well.

    Raises:
        SeacodError: it cannot begin.
    """
    from seacod.proving.drills.catalogue import find
    from seacod.proving.soak import report
    from seacod.proving.soak.figures import summary
    from seacod.proving.soak.ledger import SoakLedger
    from seacod.proving.soak.material import Material
    from seacod.proving.soak.run import soak
    from seacod.proving.soak.timetable import run_seconds
    from seacod.proving.target import LocalService

    hours, speed, output = options.hours, options.speed, options.output
    if not (0 < hours <= 10_000 and 0 < speed <= 3600):
        raise BadRequest(
            "--hours and --speed must be greater than 0 (speed at most 3600)",
            "--hours 与 --speed 须大于 0（--speed 最大 3600）",
        )
    for name in options.drills:
        find(name)
    material, target = Material(options.recordings), LocalService(options.config, api_key(options))
    ledger = SoakLedger()
    with making(output):
        output.mkdir(parents=True, exist_ok=True)
    minutes = run_seconds(hours, speed) / 60
    print(f"{hours:g} hours at {speed:g} times their speed: {minutes:.1f} minutes", file=sys.stderr)
    try:
        asyncio.run(soak(target, hours, speed, options.drills, material, ledger, _tell))
    except (KeyboardInterrupt, asyncio.CancelledError):
        ledger.is_early = True
    if not ledger.samples:
        return EX_INTERRUPTED
    found = summary(ledger, hours, speed)
    _write(output / "soak.json", json.dumps(found, ensure_ascii=False, indent=1) + "\n")
    _write(output / "soak.html", report.page(ledger, found))
    print(json.dumps(found, ensure_ascii=False) if options.json else _words(found, output))
    if found["good"]:
        return EX_INTERRUPTED if ledger.is_early else EX_OK
    return EX_FAILURE


def _tell(line: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {line}", file=sys.stderr, flush=True)


def _words(found: dict[str, Any], output: Path) -> str:
    from seacod.proving.soak.report import slope

    work, away = found["work"], found["availability"]
    lines = [
        f"{work['pieces']} pieces of work, {work['audio_seconds'] / 3600:.1f} hours of audio in "
        f"{found['seconds'] / 60:.1f} minutes",
        f"  right {work['right']}, wrong {work['wrong']}, lost {work['lost']}; turned away "
        f"{work['turned_away']} times, sent again {work['interrupted']} times",
        f"  ready {away['ready_ratio']:.3%} of the time, longest away "
        f"{away['longest_away_seconds']:.1f} s, {away['refused']} connections refused",
        f"  restarts {len(found['restarts'])}, drills {len(found['drills'])}",
    ]
    lines += [
        f"  {one['what']}: {one['last_bytes'] / 1e6:.0f} MB, {slope(one)}"
        for one in found["memory"]
    ]
    lines += [f"NOT GOOD: {problem}" for problem in found["problems"]] or ["good"]
    return "\n".join([*lines, f"report: {output / 'soak.html'}"])


def _write(path: Path, text: str) -> None:
    with writing(path):
        path.write_text(text, "utf-8")
