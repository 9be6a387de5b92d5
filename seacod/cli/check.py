"""`seacod check`: the go-live checklist, a line for each item."""

from __future__ import annotations

import argparse
import json
import os
import sys

from seacod.cli.options import add_config, add_json, add_key, api_key
from seacod.proving.checks.item import Finding, Status
from seacod.system.text import terminal

HELP = "the go-live checklist; exit status 0: all is well, 1: warnings, 2: failures"
# ECMA-48: green, yellow, red.
_COLOURS = {Status.OK: "32", Status.WARN: "33", Status.FAIL: "31"}


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("items", nargs="*", metavar="ITEM", help="only these (all)")
    parser.add_argument("--send", action="store_true", help="send a test message, too")
    add_key(parser)
    add_json(parser)
    add_config(parser)


def run(options: argparse.Namespace) -> int:
    """Look at everything, or at the items named; nothing is changed.

    Returns:
        0 when all is well, 1 when something should be looked at, 2 when something failed.

    Raises:
        BadRequest: there is no item of a name.
    """
    from seacod.proving.checks import registry
    from seacod.proving.checks.context import CheckContext

    chosen = registry.chosen(options.items)
    context = CheckContext(options.config, api_key(options), options.send)
    found: list[tuple[str, Finding]] = []
    for name, finding in registry.run(context, chosen):
        found.append((name, finding))
        if not options.json:
            tell(name, finding)
    worst = max((finding.status for _, finding in found), key=lambda one: one.exit_code)
    if options.json:
        items = [_as_dict(name, finding) for name, finding in found]
        print(json.dumps({"status": worst.value, "items": items}, ensure_ascii=False, indent=1))
    else:
        print(_sum(found))
    return worst.exit_code


def tell(name: str, finding: Finding) -> None:
    """Print what one item says."""
    status = f"{finding.status.value:<4}"
    if sys.stdout.isatty() and "NO_COLOR" not in os.environ:
        status = f"\x1b[{_COLOURS[finding.status]}m{status}\x1b[0m"
    seen, mend = (terminal.in_language(*words) for words in (finding.seen, finding.mend))
    print(f"{status}  {name:<13}  {seen}", flush=True)
    if mend:
        print(f"{'':21}→ {mend}", flush=True)


def _sum(found: list[tuple[str, Finding]]) -> str:
    counts = [sum(finding.status is one for _, finding in found) for one in Status]
    return terminal.in_language(
        f"{counts[0]} ok, {counts[1]} warn, {counts[2]} fail",
        f"正常 {counts[0]} 项，注意 {counts[1]} 项，失败 {counts[2]} 项"
    )  # fmt: skip


def _as_dict(name: str, finding: Finding) -> dict[str, str]:
    return {
        "name": name,
        "status": finding.status.value,
        "seen": finding.seen[0],
        "mend": finding.mend[0],
        "seen_zh": finding.seen[1],
        "mend_zh": finding.mend[1],
    }
