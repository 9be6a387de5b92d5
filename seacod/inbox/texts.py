"""Where the texts of a watched folder lie, and how they and the reasons of failures are written:
whole or not at all. Blocking."""

from __future__ import annotations

import datetime
import itertools
import os
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from seacod.errors import SeacodError
from seacod.formats.base import Choices, OutputFormat
from seacod.inbox.folder import Version, version_of
from seacod.inbox.ledger import Ledger
from seacod.system.files import whole_file
from seacod.transcript import Transcript

REASON_ENDING = ".reason.txt"


@dataclass(frozen=True, slots=True)
class Texts:
    """
    Args:
        folder: the watched one.
        output: where texts go; below it, recordings of a sub-folder keep their place.
        failed: where recordings go that cannot be heard, with a file that says why.
        formats: of the texts, each with an ending of its own.
        choices: for those that leave a choice.
    """

    folder: Path
    output: Path
    failed: Path
    formats: Sequence[OutputFormat]
    choices: Choices

    def write(
        self, ledger: Ledger, path: Path, version: Version, transcript: Transcript
    ) -> list[Path]:
        """Write all texts of a recording and say so in the ledger.

        Args:
            path: of the recording, from the folder.
            version: as it was heard.
        """
        base = ledger.begin(path, version, _bases(path), self._is_free)
        targets = []
        choices = replace(self.choices, recording_name=path.name)
        for one in self.formats:
            target = self._target(base, one)
            whole_file.write(target, one.content(transcript, choices))
            targets.append(target)
        ledger.end(path, version, base)
        return targets

    def set_aside(
        self, ledger: Ledger, path: Path, version: Version, error: SeacodError
    ) -> Path | None:
        """Lay a recording aside with the reason; what cannot be moved is left and not heard again.

        Returns:
            The file with the reason; None when the recording has changed meanwhile or is gone.
        """
        source = self.folder / path
        if version_of(source) != version:
            return None
        target = _fresh(self.failed / path)
        reason = target.with_name(target.name + REASON_ENDING)
        at = datetime.datetime.now().astimezone().isoformat(timespec="seconds")
        text = f"{error.message}\n{error.chinese}\n\n{path}\n{at}\n"
        whole_file.write(reason, text.encode("utf-8", "replace"))
        try:
            if version_of(source) == version:
                shutil.move(source, target)
        except OSError:
            ledger.give_up(path, version)
        return reason

    def _target(self, base: str, one: OutputFormat) -> Path:
        return self.output / f"{base}{one.ending}"

    def _is_free(self, base: str) -> bool:
        return not any(os.path.lexists(self._target(base, one)) for one in self.formats)


def _bases(path: Path) -> Iterator[str]:
    """Names for the texts of a recording: without its ending, with it, with a number."""
    yield str(path.with_suffix(""))
    yield str(path)
    for number in itertools.count(2):
        yield f"{path}.{number}"


def _fresh(path: Path) -> Path:
    """A name by which there is nothing yet."""
    candidates = itertools.chain(
        (path,), (path.with_stem(f"{path.stem}.{number}") for number in itertools.count(2))
    )
    return next(one for one in candidates if not os.path.lexists(one))
