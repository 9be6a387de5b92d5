"""SHA-256 of each file of a model: written when it is made or fetched, compared later by
`seacod check`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from seacod.system.files.digest import sha256_of
from seacod.system.text.words import Words, WrongValue, reason

NAME = "seacod-manifest.json"
# What is said of a file that has changed.
CHANGED: Words = ("is not what it was", "内容已改变")


def write(directory: Path, model: str) -> None:
    """Write down the hashes of what is in a directory now."""
    files = {
        str(path.relative_to(directory)): sha256_of(path)
        for path in sorted(directory.rglob("*"))
        if path.is_file() and path.name != NAME
    }
    text = json.dumps({"model": model, "sha256": files}, indent=1)
    (directory / NAME).write_text(text + "\n", "utf-8")


def listed(directory: Path) -> dict[str, str]:
    """The hashes by file.

    Raises:
        FileNotFoundError: there is no manifest.
        OSError, ValueError: the manifest cannot be read.
    """
    try:
        return dict(json.loads((directory / NAME).read_text("utf-8"))["sha256"])
    except (KeyError, TypeError) as error:
        raise WrongValue(f"no manifest: {error}", "清单已损坏") from None


def damaged(directory: Path, files: dict[str, str]) -> Iterator[tuple[Path, Words]]:
    """The files that have changed, and what is wrong with each."""
    for name, wanted in files.items():
        path = directory / name
        try:
            if sha256_of(path) != wanted:
                yield path, CHANGED
        except OSError as error:
            yield path, reason(error)
