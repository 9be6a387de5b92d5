"""`seacod crashes`: what is known of past crashes, from the service's state directory."""

from __future__ import annotations

import argparse
import json

from seacod.cli.options import add_config, add_json
from seacod.config.load import load_settings
from seacod.errors import EX_OK
from seacod.paths import Paths
from seacod.system.text.terminal import date_and_time, print_words, printable
from seacod.system.text.terminal import in_language as say
from seacod.system.text.words import state_in_chinese

HELP = "what is known of past crashes"


def add(parser: argparse.ArgumentParser) -> None:
    add_json(parser, "as JSON")
    add_config(parser)


def run(options: argparse.Namespace) -> int:
    """Print the dossiers, newest first."""
    from seacod.supervisor.watch import crashes

    kept = crashes.kept(Paths.resolve(load_settings(options.config)).state)
    if options.json:
        print(json.dumps(kept, ensure_ascii=False, indent=2))
        return EX_OK
    if not kept:
        print_words("no worker has crashed", "没有识别进程异常退出过")
    for crash in kept:
        served, lost, recording = (
            crash[key] for key in ("served_seconds", "lost_requests", "last_recording")
        )
        at, pid, cause, status = (crash[key] for key in ("at", "pid", "cause", "status"))
        head = say(f"pid {pid}: {cause}", f"pid {pid}：{crash.get('cause_zh') or cause}")
        print(f"{date_and_time(at)}  {head}")
        print_words(
            f"    while {crash['in_state']}, exit status {status}",
            f"    当时{state_in_chinese(crash['in_state'])}，退出状态 {status}",
        )
        if served is not None:
            print_words(
                f"    had served for {served:.0f} s; requests inside: {lost}",
                f"    已服务 {served:.0f} 秒；正在处理的请求：{lost} 个",
            )
        if recording:
            shown = printable(recording)
            print_words(f"    last recording: {shown}", f"    最后的录音：{shown}")
        for line in crash["last_lines"][-3:]:
            print(f"    | {printable(line)}")
        print(f"    {crash['directory']}")
    return EX_OK
