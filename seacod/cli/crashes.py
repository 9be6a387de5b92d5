"""`seacod crashes`: what is known of past crashes, from the service's state directory."""

from __future__ import annotations

import argparse
import json

from seacod.cli.options import add_config, add_json
from seacod.config import load_settings
from seacod.errors import EX_OK
from seacod.paths import Paths
from seacod.system.terminal import date_and_time

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
        print("no worker has crashed")
    for crash in kept:
        served = crash["served_seconds"]
        print(f"{date_and_time(crash['at'])}  pid {crash['pid']}: {crash['cause']}")
        print(f"    while {crash['in_state']}, exit status {crash['status']}")
        if served is not None:
            lost = crash["lost_requests"]
            print(f"    had served for {served:.0f} s; requests inside: {lost}")
        if crash["last_recording"]:
            print(f"    last recording: {crash['last_recording']}")
        for line in crash["last_lines"][-3:]:
            print(f"    | {line}")
        print(f"    {crash['directory']}")
    return EX_OK
