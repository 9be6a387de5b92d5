"""The list of hand-written faults: one file for each folder of the product, in tests/mutants/.

A fault is a text that occurs exactly once in a file, what it becomes, and the tests that have to
fail then. `problems` says what is wrong with the list itself.
"""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "tests" / "mutants"


@dataclass(frozen=True, slots=True)
class Fault:
    """One promise broken.

    Args:
        folder: of the product, for the page.
        name: says what no longer holds.
        file: relative to the repository.
        old: what is there, once.
        new: what it becomes.
        tests: files, or tests in them, that have to fail.
        is_slow: they start a service of their own, so a sample leaves it out.
        survives: why no test notices; empty when one does.
    """

    folder: str
    name: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]
    is_slow: bool = False
    survives: str = ""

    def source(self) -> str:
        """The file with the fault in it."""
        return (ROOT / self.file).read_text("utf-8").replace(self.old, self.new, 1)


def read(folder: Path = FOLDER) -> list[Fault]:
    """All of them, folder by folder."""
    return list(_read(folder))


def _read(folder: Path) -> Iterator[Fault]:
    for path in sorted(folder.glob("*.yaml")):
        for one in yaml.load(path.read_text("utf-8"), yaml.CSafeLoader):
            yield Fault(
                path.stem,
                one["name"],
                one["file"],
                one["old"],
                one["new"],
                tuple(one["tests"].split()),
                one.get("slow", False),
                one.get("survives", ""),
            )


def problems(faults: Sequence[Fault]) -> list[str]:
    """What is wrong with the list, a line each; empty when nothing is."""
    found = [
        f"{folder}: {name}: stands there {count} times"
        for (folder, name), count in Counter((one.folder, one.name) for one in faults).items()
        if count > 1
    ]
    sources: dict[str, str] = {}
    for fault in faults:
        found += [f"{fault.name}: {problem}" for problem in _problems(fault, sources)]
    return found


def _problems(fault: Fault, sources: dict[str, str]) -> Iterator[str]:
    path = ROOT / fault.file
    if not path.is_file():
        yield f"there is no {fault.file}"
        return
    count = path.read_text("utf-8").count(fault.old)
    if count != 1:
        yield f"its old text occurs {count} times in {fault.file}"
    elif fault.old == fault.new:
        yield "it changes nothing"
    elif path.suffix == ".py":
        try:
            ast.parse(fault.source())
        except SyntaxError as error:
            yield f"it does not parse: {error}"
    if not fault.tests:
        yield "names no test"
    for test in fault.tests:
        file, _, name = test.partition("::")
        if file not in sources:
            there = ROOT / file
            sources[file] = there.read_text("utf-8") if there.is_file() else ""
        if not sources[file]:
            yield f"there is no {file}"
        elif name and f"def {name.partition('[')[0]}(" not in sources[file]:
            yield f"there is no test {name} in {file}"
