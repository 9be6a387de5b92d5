"""Which recordings, and where their texts go. No network here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from seacod.errors import BadRequest
from seacod.formats.base import OutputFormat
from seacod.system.files.recordings import meant


@dataclass(frozen=True, slots=True)
class PlannedFile:
    """One recording; `target` is None when its text goes to standard output."""

    source: Path
    target: Path | None

    @property
    def is_done(self) -> bool:
        """Whether its text is there, and not older than the recording."""
        if self.target is None or not self.target.exists():
            return False
        return self.target.stat().st_mtime >= self.source.stat().st_mtime


def tasks(given: Sequence[str], output: Path | None, wanted: OutputFormat) -> list[PlannedFile]:
    """All recordings, each once, in the order given.

    Args:
        given: files, directories and wildcards.
        output: directory for the texts; below it, recordings of a directory keep their place.
        wanted: decides the ending.

    Raises:
        BadRequest: something is not there, holds no recording, two would be written to one file, or
            `output` is something else than a directory.
    """
    if output is not None and output.exists() and not output.is_dir():
        raise BadRequest(
            f"{output}: is no directory; -o names the one for the texts",
            f"{output}：不是目录；-o 应指定存放文本的目录",
        )
    found: dict[Path, PlannedFile] = {}
    for text in given:
        for source, place in meant(text):
            target = None
            if output is not None:
                target = output / place.with_suffix(wanted.ending)
            found.setdefault(source.resolve(), PlannedFile(source, target))
    made = list(found.values())
    _check_apart(made)
    return made


def _check_apart(made: list[PlannedFile]) -> None:
    taken: dict[Path, Path] = {}
    for task in made:
        if task.target is None:
            continue
        other = taken.setdefault(task.target, task.source)
        if other != task.source:
            raise BadRequest(
                f"{other} and {task.source} would both be written to {task.target}; give them "
                "different directories with -o, one after the other",
                f"{other} 与 {task.source} 都会写入 {task.target}；"
                "请分别执行，并用 -o 指定不同目录",
            )
