"""docs/faults.md is of the drills that there are: its head is the one they write, each row has a
drill."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from supervised import ROOT

PAGE = (ROOT / "docs/faults.md").read_text("utf-8")


def names() -> Iterator[re.Pattern[str]]:
    """What drills are called, wherever one is made or a row is written."""
    for folder in ("faults", "system"):
        for file in sorted((ROOT / "tests" / folder).glob("*.py")):
            for node in ast.walk(ast.parse(file.read_text("utf-8"))):
                if isinstance(node, ast.Constant) and isinstance(node.value, str):
                    yield re.compile(re.escape(node.value))
                elif isinstance(node, ast.JoinedStr):
                    parts = (
                        re.escape(part.value) if isinstance(part, ast.Constant) else ".+"
                        for part in node.values
                    )
                    yield re.compile("".join(map(str, parts)))


def rows() -> list[str]:
    table = [line for line in PAGE.splitlines() if line.startswith("| ")]
    return [line.split(" | ")[0].removeprefix("| ") for line in table[1:]]


def test_its_head_is_the_one_that_the_drills_write() -> None:
    assert PAGE.startswith((ROOT / "tests/faults/page_head.md").read_text("utf-8"))


def test_each_row_is_of_a_drill_that_there_is() -> None:
    known = [one for one in names() if one.pattern not in (".+", "")]
    gone = [row for row in rows() if not any(one.fullmatch(row) for one in known)]
    assert len(rows()) > 20
    assert not gone
