"""The table in docs/testing.md: how many faults the tests notice, folder by folder."""

from __future__ import annotations

import re
from collections.abc import Sequence

from mutating.faults import ROOT
from mutating.trial import Outcome, Verdict

PAGE = ROOT / "docs" / "testing.md"
_TABLE = re.compile(r"(<!-- faults -->\n).*?(<!-- /faults -->)", re.DOTALL)


def table(outcomes: Sequence[Outcome]) -> str:
    """A row for each folder, one for all, and the names of those that nobody noticed."""
    rows = ["| folder | faults | noticed | rate |", "|---|---|---|---|"]
    folders = sorted({one.fault.folder for one in outcomes})
    for folder in folders:
        rows.append(_row(folder, [one for one in outcomes if one.fault.folder == folder]))
    rows.append(_row("**all**", outcomes))
    left = [one.fault for one in outcomes if one.verdict is not Verdict.CAUGHT]
    if left:
        rows += ["", "Not noticed:", ""]
        rows += [f"- {x.folder}: {x.name}" + (f" ({x.survives})" * bool(x.survives)) for x in left]
    return "\n".join(rows) + "\n"


def write(outcomes: Sequence[Outcome]) -> None:
    """Put the table into the page."""
    text = PAGE.read_text("utf-8")
    PAGE.write_text(_TABLE.sub(lambda m: m[1] + table(outcomes) + m[2], text), "utf-8")


def _row(folder: str, outcomes: Sequence[Outcome]) -> str:
    caught = sum(one.verdict is Verdict.CAUGHT for one in outcomes)
    return f"| {folder} | {len(outcomes)} | {caught} | {100 * caught // len(outcomes)} % |"
