"""What is done: results, each written once and whole, and a line for each file in `manifest.jsonl`.

The output directory is one of this machine or any that `remote_files.py` can write to. Only the
command writes, never those that hear, so a file that is heard twice is still written once. A run
that was broken off goes on from the manifest: what has the same content and a result is not heard
again.
"""

from __future__ import annotations

import json
import os
import posixpath
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from seacod.errors import NotFound
from seacod.system.files import whole_file
from seacod.system.files.writing import making, writing
from seacod.system.net.remote_files import RemoteFiles

MANIFEST = "manifest.jsonl"
# A place that cannot be appended to gets the whole manifest anew, at most so often.
_REWRITE_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """One file and what became of it.

    Args:
        name: of the recording, below the input directory.
        sha256: of its content; empty when it could not be read.
        state: done, failed, or poison: it ended the process that heard it twice.
        output: of the text, below the output directory; empty without one.
        audio_seconds: its length.
        seconds: from handed out to heard.
        node: where it was heard.
        error: why there is no text.
        warnings: what a reader of the text ought to know.
        at: Unix seconds.
    """

    name: str
    sha256: str
    state: str
    output: str = ""
    audio_seconds: float = 0.0
    seconds: float = 0.0
    node: str = ""
    error: str = ""
    warnings: Sequence[str] = ()
    at: float = 0.0


class ArchiveLedger:
    """Results and manifest of one output directory.

    Args:
        place: a directory, made if it is missing, or a URL.
        remote: writes to URLs.

    Raises:
        BadRequest: nobody can write to such a URL, or what is there cannot be read.
        CannotWrite: the directory cannot be made, or nothing can be written there.
    """

    def __init__(self, place: str, remote: RemoteFiles | None = None) -> None:
        self._place = place.rstrip("/")
        self._remote = (remote or RemoteFiles()) if "://" in place else None
        if self._remote is None:
            with making(place):
                Path(place).mkdir(parents=True, exist_ok=True)
        self.entries = {entry.name: entry for entry in self._read()}
        self._written_at = 0.0
        self._manifest = None
        # Anew, so that nothing is appended to a line that was cut off, and that a place which
        # cannot be written to is known before anything was heard.
        self._rewrite()
        if self._remote is None:
            self._manifest = (Path(self._place) / MANIFEST).open("ab", buffering=0)

    def is_done(self, name: str, sha256: str, output: str) -> bool:
        """Whether this content has its result already, in the right place."""
        entry = self.entries.get(name)
        if entry is None or entry.state != "done":
            return False
        return entry.sha256 == sha256 and entry.output == output and self._exists(output)

    def done(self, entry: LedgerEntry, content: bytes) -> None:
        """Write the file, then the line of the manifest: what has a line has a text.

        Raises:
            CannotWrite: one of them cannot be written.
        """
        self._write(entry.output, content)
        self.note(entry)

    def note(self, entry: LedgerEntry) -> None:
        """Write the line of a file that is done or has failed; raises as `done` does."""
        entry = replace(entry, at=round(time.time(), 3))
        self.entries[entry.name] = entry
        if self._manifest is not None:
            with writing(Path(self._place) / MANIFEST):
                line = _line(entry)
                while line:  # a disk that fills up takes a part first
                    line = line[self._manifest.write(line) :]
                os.fsync(self._manifest.fileno())
        elif time.monotonic() - self._written_at > _REWRITE_SECONDS:
            self._rewrite()

    def close(self) -> None:
        """Close the manifest; everything has been written."""
        if self._manifest is not None:
            self._manifest.close()
            # One line a file: what was tried again is not told twice.
            self._write(MANIFEST, self._lines())
        else:
            self._rewrite()

    def _rewrite(self) -> None:
        self._written_at = time.monotonic()
        self._write(MANIFEST, self._lines())

    def _lines(self) -> bytes:
        return b"".join(map(_line, self.entries.values()))

    def _read(self) -> list[LedgerEntry]:
        try:
            if self._remote is not None:
                body = self._remote.read(self._url(MANIFEST))
            else:
                body = (Path(self._place) / MANIFEST).read_bytes()
        except (FileNotFoundError, NotFound):
            return []
        found = []
        # A line may be cut off within a character; line ends of Unicode are part of a name.
        for line in body.decode("utf-8", "replace").split("\n"):
            try:
                found.append(LedgerEntry(**json.loads(line)))
            except (ValueError, TypeError):
                # Cut off when the power failed: that file is heard again.
                continue
        return found

    def _url(self, output: str) -> str:
        # An address is text, and a name of an archive from Windows may be none.
        return posixpath.join(self._place, output.encode("utf-8", "backslashreplace").decode())

    def _exists(self, output: str) -> bool:
        if self._remote is not None:
            return self._remote.exists(self._url(output))
        return (Path(self._place) / output).exists()

    def _write(self, output: str, content: bytes) -> None:
        if self._remote is not None:
            self._remote.write(self._url(output), content)
            return
        target = Path(self._place) / output
        with writing(target):
            whole_file.write(target, content)


def _line(entry: LedgerEntry) -> bytes:
    """Readable for people, and UTF-8 whatever the name: one that is no text is escaped as JSON has
    it, and read again as it was."""
    told = asdict(entry)
    try:
        return f"{json.dumps(told, ensure_ascii=False)}\n".encode()
    except UnicodeEncodeError:
        return f"{json.dumps(told)}\n".encode("ascii")
