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
from seacod.system.text.terminal import in_language as say
from seacod.system.text.terminal import print_words

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
    print_words(
        f"{hours:g} hours at {speed:g} times their speed: {minutes:.1f} minutes",
        f"{hours:g} 小时，{speed:g} 倍速：{minutes:.1f} 分钟",
        to=sys.stderr,
    )
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


def _tell(english: str, chinese: str) -> None:
    now = time.strftime("%H:%M:%S")
    print_words(f"{now} {english}", f"{now} {chinese}", to=sys.stderr)


def _words(found: dict[str, Any], output: Path) -> str:
    from seacod.proving.soak.report import shown_role, slope

    work, away = found["work"], found["availability"]
    hours, minutes = work["audio_seconds"] / 3600, found["seconds"] / 60
    restarts, drills = len(found["restarts"]), len(found["drills"])
    lines = [
        say(
            f"{work['pieces']} pieces of work, {hours:.1f} hours of audio in "
            f"{minutes:.1f} minutes\n"
            f"  right {work['right']}, wrong {work['wrong']}, lost {work['lost']}; turned away "
            f"{work['turned_away']} times, sent again {work['interrupted']} times\n"
            f"  ready {away['ready_ratio']:.3%} of the time, longest away "
            f"{away['longest_away_seconds']:.1f} s, {away['refused']} connections refused\n"
            f"  restarts {restarts}, drills {drills}",
            f"任务 {work['pieces']} 个，{minutes:.1f} 分钟内处理音频 {hours:.1f} 小时\n"
            f"  正确 {work['right']}，错误 {work['wrong']}，丢失 {work['lost']}；"
            f"被要求稍后重试 {work['turned_away']} 次，中断后重发 {work['interrupted']} 次\n"
            f"  就绪时间占 {away['ready_ratio']:.3%}，最长中断 "
            f"{away['longest_away_seconds']:.1f} 秒，连接被拒绝 {away['refused']} 次\n"
            f"  重启 {restarts} 次，故障演练 {drills} 次",
        )
    ]
    lines += [
        f"  {shown_role(one['what'])}: {one['last_bytes'] / 1e6:.0f} MB, {slope(one)}"
        for one in found["memory"]
    ]
    problems = zip(found["problems"], found["problems_zh"], strict=True)
    lines += [say(f"NOT GOOD: {en}", f"未通过：{zh}") for en, zh in problems]
    if found["good"]:
        lines.append(say("good", "通过"))
    report = output / "soak.html"
    return "\n".join([*lines, say(f"report: {report}", f"报告：{report}")])


def _write(path: Path, text: str) -> None:
    with writing(path):
        path.write_text(text, "utf-8")
