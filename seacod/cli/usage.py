"""`seacod usage`: who used what, from the ledger in the service's state directory."""

from __future__ import annotations

import argparse
import csv
import datetime
import json
import sqlite3
import sys
from dataclasses import asdict
from pathlib import Path

from seacod.cli.options import add_config, add_json
from seacod.cli.report import seconds_of
from seacod.config.load import load_settings
from seacod.errors import EX_OK, BadRequest, CannotRead
from seacod.paths import Paths
from seacod.system.text.terminal import in_language as say
from seacod.system.text.terminal import padded, print_words, printable, width
from seacod.system.text.words import reason
from seacod.usage.ledger import UsageLedger, Use

HELP = "who used what: requests, hours of audio, failures by client"
_DAY_SECONDS = 86_400


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--since", default="30d", help="how far back, in whole days: 1d, 7d (30d)")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--csv", action="store_true", help="for a spreadsheet")
    add_json(form)  # type: ignore[arg-type]
    add_config(parser)


def run(options: argparse.Namespace) -> int:
    """Print a line for each client, who used most first.

    Raises:
        BadRequest: `--since` is no length of time.
        CannotRead: the ledger cannot be read.
    """
    days = max(1, round(seconds_of(options.since) / _DAY_SECONDS))
    try:
        first = datetime.date.today() - datetime.timedelta(days=days - 1)
    except OverflowError as error:
        raise BadRequest(
            f"--since {options.since}: that is too long ago for the calendar",
            f"--since {options.since}：超出日期范围",
        ) from error
    path = Paths.resolve(load_settings(options.config)).usage
    uses = _read(path, first.isoformat())
    if options.json:
        body = {"since": first.isoformat(), "clients": [asdict(use) for use in uses]}
        print(json.dumps(body, ensure_ascii=False))
    elif options.csv:
        _print_csv(uses)
    else:
        _print_table(uses, first)
    return EX_OK


def _read(path: Path, since: str) -> list[Use]:
    try:
        return UsageLedger(path).by_client(since)
    except sqlite3.Error as error:
        raise CannotRead(
            f"{path}: {error}; the service's user and root may read it",
            f"{path}：{reason(error)[1]}；仅服务用户和 root 可读取",
        ) from error


def _print_csv(uses: list[Use]) -> None:
    out = csv.writer(sys.stdout, lineterminator="\n")
    out.writerow(("client", "requests", "failures", "audio_hours"))
    for use in uses:
        hours = round(use.audio_seconds / 3600, 4)
        out.writerow((use.client, use.requests, use.failures, hours))


def _print_table(uses: list[Use], first: datetime.date) -> None:
    if not uses:
        print_words(f"nobody has sent anything since {first}", f"{first} 以来没有请求")
        return
    whole = sum(uses, Use(say("all", "合计")))
    since = say(f"since {first}", f"{first} 起")
    names = [printable(use.client) for use in (*uses, whole)]
    wide = max(width(since), *map(width, names))
    heads = say("  requests  failures  audio hours", "  请求数    失败数    音频小时数")
    print(f"{padded(since, wide)}{heads}")
    for name, use in zip(names, (*uses, whole), strict=True):
        print(
            f"{padded(name, wide)}  {use.requests:>8}  {use.failures:>8}  "
            f"{use.audio_seconds / 3600:>11.2f}"
        )
