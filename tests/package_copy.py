"""A copy of the package that a test adds something to, Python with it, and a service of it."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar

import pytest
from supervised import ROOT, Service

S = TypeVar("S", bound=Service)


def copy_of_package(directory: Path) -> Path:
    """The package, below this directory; the built-in model is not copied but linked."""
    left_out = shutil.ignore_patterns("__pycache__", "builtin")
    shutil.copytree(ROOT / "seacod", directory / "seacod", ignore=left_out)
    (directory / "seacod/models/builtin").symlink_to(ROOT / "seacod/models/builtin")
    return directory


def replace_once(file: Path, old: str, new: str) -> None:
    """Put something else where this stands, once, in a file of the copy."""
    text = file.read_text("utf-8")
    assert text.count(old) == 1, file
    file.write_text(text.replace(old, new), "utf-8")


@contextlib.contextmanager
def running(service: S, copy: Path) -> Iterator[S]:
    """A service of the copy, started and ended."""
    service.environment["PYTHONPATH"] = str(copy)
    with pytest.MonkeyPatch.context() as patch:
        # Python looks into the working directory first.
        patch.chdir(copy)
        with service.running():
            yield service


def run_with(copy: Path, *arguments: str | Path, check: bool = True) -> str:
    """What Python prints, with the copy.

    Raises:
        subprocess.CalledProcessError: it failed, and nobody expected it.
    """
    done = subprocess.run(
        [sys.executable, *map(str, arguments)], capture_output=True, text=True, check=check,
        cwd=copy, env={**os.environ, "PYTHONPATH": str(copy), "LANG": "C", "COLUMNS": "200"},
    )  # fmt: skip
    return done.stdout if check else done.stdout + done.stderr
