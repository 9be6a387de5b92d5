"""`seacod drill`: one fault on purpose, and what it cost."""

from __future__ import annotations

import argparse
import dataclasses
import json
import signal
import sys
from typing import TYPE_CHECKING

from seacod.cli.options import add_config, add_json, add_key, api_key
from seacod.errors import EX_OK, NotConfirmed
from seacod.system.text import terminal
from seacod.system.text.terminal import in_language as say
from seacod.system.text.terminal import print_words

if TYPE_CHECKING:
    from seacod.proving.drills.catalogue import Drill
    from seacod.proving.drills.timing import Result

HELP = "inject a fault into a staging service and measure its recovery"


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", nargs="?", help="name of the drill")
    parser.add_argument("--list", action="store_true", help="every drill, and what it does")
    parser.add_argument("--yes", action="store_true", help="do not ask")
    add_key(parser)
    add_json(parser)
    add_config(parser)


def run(options: argparse.Namespace) -> int:
    """Run one drill, or list them.

    Raises:
        BadRequest: there is no such drill.
        NotConfirmed: nobody said yes.
        SeacodError: it cannot be run here, or the service did not do what it should have.
    """
    from seacod.proving.drills import telling
    from seacod.proving.drills.catalogue import DRILLS, find
    from seacod.proving.target import LocalService

    if options.list or options.name is None:
        for name, drill in DRILLS.items():
            print(f"{name:<16} {_words(drill)}")
        return EX_OK
    chosen = find(options.name)
    if telling.mend(options.config):
        print_words(
            "an interrupted drill had left its settings behind; they are put back",
            "上次中断的演练遗留了临时配置，现已恢复",
            to=sys.stderr,
        )
    target = LocalService(options.config, api_key(options))
    told = target.serving()
    if not options.yes:
        _ask(options.name, chosen, told["url"], told["in_flight"])
    # Whoever ends us gets what was changed put back.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    result = chosen.run(target)
    if options.json:
        print(json.dumps(dataclasses.asdict(result), ensure_ascii=False))
    else:
        _tell(result, chosen)
    return EX_OK


def _ask(name: str, chosen: Drill, url: str, in_flight: int) -> None:
    if not sys.stdin.isatty():
        raise NotConfirmed(
            f"{name} breaks the service at {url} on purpose ({_words(chosen)}); on a staging "
            "service say so with --yes",
            f"{name} 会故意破坏 {url} 的服务（{_words(chosen)}）；确认在测试环境中执行请加 --yes",
        )
    print(f"{name}: {_words(chosen)}", file=sys.stderr)
    where = say(
        f"service: {url}, {in_flight} requests in flight", f"服务：{url}，{in_flight} 个请求处理中"
    )
    print(where, file=sys.stderr)
    ask = say("type yes to continue: ", "输入 yes 继续：")
    print(ask, end="", file=sys.stderr, flush=True)
    if sys.stdin.readline().strip() != "yes":
        raise NotConfirmed("nothing was done", "未执行任何操作")


def _tell(result: Result, chosen: Drill) -> None:
    away = result.serving_seconds
    print(f"{result.drill}: {_words(chosen)}")
    print_words(
        f"  detected after       {result.detected_seconds:.1f} s",
        f"  发现故障   {result.detected_seconds:.1f} 秒",
    )
    print_words(
        f"  serving again after  {'never away' if away is None else f'{away:.1f} s'}",
        f"  恢复服务   {'未中断' if away is None else f'{away:.1f} 秒'}",
    )
    print_words(
        f"  lost                 {result.lost} of {result.requests} requests",
        f"  丢失       {result.requests} 个请求中 {result.lost} 个",
    )
    print_words(
        f"  turned away          {result.turned_away} (503 with Retry-After)",
        f"  被要求稍后重试  {result.turned_away} 个（503，带 Retry-After）",
    )
    if result.remark:
        print_words(f"  {result.remark}", f"  {result.remark_zh}")


def _words(drill: Drill) -> str:
    return terminal.in_language(drill.english, drill.chinese)
