"""Who may import whom: the one table of directions between the rooms of `seacod/`.

docs/architecture.md shows this table. An import inside a function, or in code that is handed to
another Python, counts like any other.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

import seacod

PACKAGE = Path(seacod.__file__).parent
# A room is a folder or a single file directly in `seacod/`. What is not named may not be imported;
# `seacod` itself (its version) may be by all.
ALLOWED = {
    # Below everything.
    "errors": "",
    "transcript": "",
    "shared_load": "",
    "with_model": "",
    "routes": "",
    "system": "errors",
    "accelerators": "errors system",
    "speaker_encoders": "system",
    "config": "accelerators errors speaker_encoders system",
    "protocol": "errors",
    "pause": "errors system",
    "paths": "config errors system",
    "logs": "config system",
    "formats": "errors system transcript",
    # Shared by both sides, or by neither.
    "metrics": "accelerators errors routes transcript",
    "client": "config errors formats paths system transcript",
    "inbox": "client errors formats system transcript",
    # The supervisor's side.
    "alerts": "config errors paths protocol system",
    "supervisor": "accelerators alerts config errors logs metrics pause paths protocol shared_load "
    "system with_model",
    # The worker's side, from the model up.
    "models": "config errors paths speaker_encoders system",
    "usage": "config errors paths system",
    "asr": "accelerators config errors metrics models paths routes shared_load speaker_encoders "
    "system transcript with_model",
    "jobs": "asr config errors formats paths routes system transcript",
    "web": "asr config errors formats jobs models pause paths routes system transcript",
    "worker": "accelerators asr config errors jobs logs metrics models pause paths protocol "
    "shared_load "
    "system usage web with_model",
    # On top.
    "archive": "asr config errors formats jobs logs metrics paths system transcript",
    "proving": "accelerators alerts asr client config errors formats jobs logs models paths system "
    "transcript",
    "cli": "alerts archive asr client config errors formats inbox logs models pause paths proving "
    "speaker_encoders supervisor system transcript usage worker",
    "__main__": "cli",
}
# Rules that the table must keep, however it grows.
NEVER = {
    "supervisor": "asr worker web jobs models formats archive proving cli client",
    "alerts": "supervisor asr worker web jobs models formats archive proving cli client",
    "asr": "web worker jobs supervisor alerts archive proving cli client",
    "jobs": "web worker supervisor alerts archive proving cli client",
    "web": "worker supervisor alerts archive proving cli client",
    "worker": "supervisor alerts archive proving cli client",
    "usage": "supervisor alerts asr worker web jobs models archive proving cli client",
    "client": "supervisor alerts asr worker web jobs models metrics",
    "inbox": "supervisor alerts asr worker web jobs models metrics archive proving cli",
    "archive": "web worker supervisor cli",
    "proving": "supervisor worker web cli",
}
# The section `alerts` is made of what each channel adds to it; nothing else of the settings knows
# that there are alerts.
ADDED = {("config/alerts.py", "seacod.alerts.channels.registry.all_channels")}
# The same within a room, between its folders; in no room is there a ring of these and of the files
# beside them.
WITHIN = {
    "supervisor": {
        "systemd": "",
        "sockets": "",
        "workers": "sockets systemd",
        "watch": "systemd workers",
    },
    "web": {
        "docs": "",
        "logins": "",
        "middleware": "logins",
        "funasr_protocol": "middleware",
        "realtime": "middleware",
        "page": "",
        "routes": "funasr_protocol logins middleware page realtime",
    },
    "asr": {
        "sound": "",
        "decoder": "sound",
        "recognisers": "decoder",
        "replacements": "",
        "speakers": "recognisers",
        "live": "decoder replacements speakers",
    },
    "jobs": {"outside": "", "migrations": ""},
    "proving": {"bench": "", "checks": "", "drills": "", "soak": "drills"},
    "system": {"processes": "", "text": "", "files": "text", "net": "processes text"},
}
_IN_TEXT = re.compile(r"^\s*(?:from\s+seacod|import\s+seacod\.)", re.MULTILINE)


@dataclass(frozen=True)
class Import:
    """One import of a room by a file of another."""

    file: Path
    line: int
    module: str

    @property
    def by(self) -> str:
        return self.file.relative_to(PACKAGE).parts[0].removesuffix(".py")

    @property
    def of(self) -> str:
        return self.module.split(".")[1]

    def __str__(self) -> str:
        allowed = ALLOWED.get(self.by, "").split()
        file = self.file.relative_to(PACKAGE.parent)
        return (
            f"{file}:{self.line}: imports {self.module}, but {self.by} may import only "
            f"{', '.join(allowed) or 'nothing of seacod'} (tests/unit/test_directions.py)"
        )


def imports(file: Path) -> Iterator[Import]:
    """What a file imports of other rooms."""
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        for line, module in modules(node):
            found = Import(file, line, module)
            is_added = (file.relative_to(PACKAGE).as_posix(), module) in ADDED
            if not module.startswith("seacod.") or found.of == found.by or is_added:
                continue
            if is_room(found.of):
                yield found


def within(room: str) -> Iterator[tuple[str, str, str]]:
    """Imports between the folders of a room, and the files beside them: by, of, where."""
    for file in sorted((PACKAGE / room).rglob("*.py")):
        parts = file.relative_to(PACKAGE / room).parts
        by = parts[0].removesuffix(".py")
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            for line, module in modules(node):
                of = module.removeprefix(f"seacod.{room}.").partition(".")[0]
                there = PACKAGE / room / of
                is_ours = module.startswith(f"seacod.{room}.") and of != by
                if is_ours and (there.is_dir() or there.with_suffix(".py").is_file()):
                    yield by, of, f"{'/'.join((room, *parts))}:{line}"


def modules(node: ast.AST) -> Iterator[tuple[int, str]]:
    """The modules that this piece of code imports itself."""
    if isinstance(node, ast.Import):
        yield from ((node.lineno, one.name) for one in node.names)
    elif isinstance(node, ast.ImportFrom) and node.module:
        assert not node.level, "seacod's own imports are absolute"
        yield from ((node.lineno, f"{node.module}.{one.name}") for one in node.names)
    elif isinstance(node, ast.Constant) and isinstance(node.value, str):
        # Code for another Python, such as the loading of a model for a trial.
        lines = node.value.replace(";", "\n")
        if _IN_TEXT.search(lines):
            code = ast.parse("\n".join(line.strip() for line in lines.splitlines()))
            for inner in ast.walk(code):
                yield from ((node.lineno, module) for _, module in modules(inner))


def is_room(name: str) -> bool:
    """Not what `seacod/__init__.py` itself defines."""
    return (PACKAGE / name).is_dir() or (PACKAGE / f"{name}.py").is_file()


ALL = [one for file in sorted(PACKAGE.rglob("*.py")) for one in imports(file)]


def test_imports_go_in_the_directions_of_the_table() -> None:
    wrong = [str(one) for one in ALL if one.of not in ALLOWED.get(one.by, "").split()]
    assert not wrong, "\n" + "\n".join(wrong)


def test_the_table_has_every_room_and_no_other() -> None:
    there = {path.name.removesuffix(".py") for path in PACKAGE.iterdir()}
    rooms = {name for name in there if is_room(name) and not name.startswith("__")}
    assert rooms | {"__main__"} == set(ALLOWED)


def test_the_table_has_no_circle() -> None:
    """Each room may import only rooms that stand above it in the table."""
    seen: set[str] = set()
    for room, allowed in ALLOWED.items():
        assert set(allowed.split()) <= seen, f"{room} may import a room that comes after it"
        seen.add(room)


def test_the_table_allows_nothing_that_is_never_allowed() -> None:
    for room, never in NEVER.items():
        assert not set(ALLOWED[room].split()) & set(never.split()), room
    for room, allowed in ALLOWED.items():
        assert "cli" not in allowed.split() or room == "__main__"


@pytest.mark.parametrize("room", WITHIN)
def test_imports_within_a_room_go_in_the_directions_of_its_table(room: str) -> None:
    table = {name: allowed.split() for name, allowed in WITHIN[room].items()}
    wrong = [
        f"{where}: {by} may not import {of} (tests/unit/test_directions.py)"
        for by, of, where in within(room)
        if by in table and of in table and of not in table[by]
    ]
    assert not wrong, "\n" + "\n".join(wrong)
    folders = {file.parent.name for file in (PACKAGE / room).glob("*/__init__.py")}
    assert folders == set(table)


@pytest.mark.parametrize("room", [one.name for one in PACKAGE.iterdir() if one.is_dir()])
def test_no_room_has_a_ring_of_imports(room: str) -> None:
    """Who imports nobody of the rest, or is imported by nobody, is in none: what is left is one."""
    left = {(by, of): where for by, of, where in within(room)}
    before = -1
    while len(left) != before:
        before = len(left)
        importing, imported = {by for by, _ in left}, {of for _, of in left}
        left = {
            (by, of): where
            for (by, of), where in left.items()
            if by in imported and of in importing
        }
    assert not left, "\n" + "\n".join(
        f"{where}: {by} imports {of}" for (by, of), where in left.items()
    )


def test_imports_are_found_wherever_they_are() -> None:
    code = (
        "from seacod import logs, __version__\n"
        "def act():\n    import seacod.web.app\n"
        "CODE = 'import sys; from seacod.cli import main; main()'\n"
        "'''Words that say: nothing here comes from seacod.'''\n"
    )
    tree = ast.parse(code)
    found = [module for node in ast.walk(tree) for _, module in modules(node)]
    assert sorted(found) == sorted(
        ["seacod.logs", "seacod.__version__", "seacod.web.app", "sys", "seacod.cli.main"]
    )
