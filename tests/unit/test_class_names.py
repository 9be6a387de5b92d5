"""A class name exists once in `seacod/`: whoever searches for it finds one meaning."""

from __future__ import annotations

import ast
from collections import defaultdict
from pathlib import Path

import seacod

PACKAGE = Path(seacod.__file__).parent
# What `seacod.client` gives for what the service has: the same thing, seen from outside.
MIRRORED = {
    "Job": "jobs/model.py",
    "JobFile": "jobs/model.py",
    "LiveSession": "asr/live/session.py",
}


def test_a_class_name_exists_once() -> None:
    places = defaultdict(list)
    for file in sorted(PACKAGE.rglob("*.py")):
        path = file.relative_to(PACKAGE).as_posix()
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.ClassDef):
                places[node.name.lstrip("_")].append(path)
    mirrored = {name for name, path in MIRRORED.items() if path in places[name]}
    assert mirrored == set(MIRRORED), "a mirror of nothing"
    twice = {
        name: found
        for name, found in places.items()
        if len([one for one in found if not (name in MIRRORED and one.startswith("client/"))]) > 1
    }
    assert not twice, f"rename all but one of: {twice}"
