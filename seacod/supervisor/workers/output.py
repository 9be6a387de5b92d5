"""What a process of ours prints: relayed line by line, the last lines kept for a crash report.

Made by `process.py` and `nursery.py`; a non-blocking pipe on the event loop.
"""

from __future__ import annotations

import asyncio
import collections
import os
import sys

import structlog

from seacod import logs
from seacod.system.text.masking import masked

log = structlog.get_logger(__name__)

# What a crash report quotes: the stacks of a few threads must fit in.
_KEPT_LINES = 100
_CHUNK_BYTES = 64 * 1024


class Output:
    """The pipe that a process prints to; `theirs` is its end, for the process, until it has it."""

    def __init__(self) -> None:
        self.pid = 0
        self.last_lines: collections.deque[str] = collections.deque(maxlen=_KEPT_LINES)
        self._loop = asyncio.get_running_loop()
        self._partial_line = b""
        self._pipe, self.theirs = os.pipe()
        os.set_blocking(self._pipe, False)
        self._loop.add_reader(self._pipe, self._on_output)

    def handed_over(self) -> None:
        """The process has its end."""
        if self.theirs >= 0:
            os.close(self.theirs)
            self.theirs = -1

    def drain(self) -> None:
        """Read the pipe empty: what a process said last is often why it died."""
        while self._pipe >= 0 and self._read():
            pass
        if self._partial_line:
            self._relay(self._partial_line.decode("utf-8", "replace"))
            self._partial_line = b""

    def close(self) -> None:
        """Let go of the pipe."""
        self.handed_over()
        if self._pipe >= 0:
            self._loop.remove_reader(self._pipe)
            os.close(self._pipe)
            self._pipe = -1

    def _on_output(self) -> None:
        if self._read() is False:
            self._loop.remove_reader(self._pipe)

    def _read(self) -> bool | None:
        """Relay the lines that are whole now; keep the rest, bounded, for the next time.

        Returns:
            False at the end, None when there is nothing now.
        """
        try:
            chunk = os.read(self._pipe, _CHUNK_BYTES)
        except (BlockingIOError, InterruptedError):
            return None
        except OSError:
            chunk = b""
        *lines, rest = (self._partial_line + chunk).split(b"\n")
        self._partial_line = rest[-_CHUNK_BYTES:]
        for line in lines:
            self._relay(line.decode("utf-8", "replace").rstrip("\r"))
        return bool(chunk)

    def _relay(self, line: str) -> None:
        """A line, kept for the crash report, and shown. Events reach the journal by themselves;
        elsewhere they come this way, already rendered."""
        if not line.strip():
            return
        line = masked(line)
        self.last_lines.append(line)
        if logs.resolve_format("auto") == "journal":
            log.warning("worker_printed", worker_pid=self.pid, line=line)
        else:
            print(line, file=sys.stderr, flush=True)  # noqa: T201  # it is the worker's
