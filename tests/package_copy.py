"""A copy of the package that a test adds something to, and Python with it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from supervised import ROOT


def copy_of_package(directory: Path) -> Path:
    """The package, below this directory; the built-in model is not copied but linked."""
    left_out = shutil.ignore_patterns("__pycache__", "builtin")
    shutil.copytree(ROOT / "seacod", directory / "seacod", ignore=left_out)
    (directory / "seacod/models/builtin").symlink_to(ROOT / "seacod/models/builtin")
    return directory


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
