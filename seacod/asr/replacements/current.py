"""The rules of `asr.replacements_file` as they are now, for each request. `service.py` owns one; it
lives on the event loop and reads the file on a thread."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path

import structlog

from seacod.asr import hotword_formats
from seacod.asr.replacements.rules import Replacements, parse
from seacod.config.schema import Settings
from seacod.system.files.watched_file import WatchedFile
from seacod.system.processes.threads import on_thread
from seacod.system.text.words import Words, reason

log = structlog.get_logger(__name__)

_THREAD = "seacod-replacements"
# The file is looked at so often at most.
_LOOK_SECONDS = 1.0
# A request waits so long for a file system that does not answer; then it has what was read before.
_PATIENCE_SECONDS = 2.0
_NOTHING = Replacements()


class CurrentReplacements:
    """
    Args:
        settings: `asr.replacements_file` of them.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._file: WatchedFile[Replacements] | None = None
        self._looked = -_LOOK_SECONDS
        self._looking: asyncio.Future[None] | None = None

    def apply(self, settings: Settings) -> None:
        """Use these settings for requests from now on."""
        self._settings = settings
        self._looked = -_LOOK_SECONDS

    async def now(self) -> Replacements:
        """The rules for a request."""
        path = self._settings.asr.replacements_file
        if path is None:
            return _NOTHING
        if self._file is None or self._file.path != path:
            self._file = WatchedFile(path, "replacements_file", _NOTHING, lambda c: _read(path, c))
            self._looking = None
        is_over = self._looking is None or self._looking.done()
        if is_over and time.monotonic() - self._looked >= _LOOK_SECONDS or self._looking is None:
            self._looked = time.monotonic()
            self._looking = on_thread(_THREAD, self._file.look)
        await asyncio.wait([self._looking], timeout=_PATIENCE_SECONDS)
        return self._file.value


def problems(settings: Settings) -> Iterator[tuple[str, Words]]:
    """What `seacod config check` finds wrong with the file: key and sentence for each line."""
    path = settings.asr.replacements_file
    if path is None:
        return
    try:
        _, wrong = parse(hotword_formats.decoded(path.read_bytes()))
    except OSError as error:
        why, chinese = reason(error)
        yield "replacements_file", (f"{path} cannot be read: {why}", f"{path} 无法读取：{chinese}")
        return
    for one in wrong:
        yield (
            "replacements_file",
            (
                f"{path}, line {one.line}: {one.english}",
                f"{path} 第 {one.line} 行：{one.chinese}",
            ),
        )


def _read(path: Path, content: bytes) -> Replacements:
    found, wrong = parse(hotword_formats.decoded(content))
    tell = log.warning if wrong else log.info
    tell(
        "replacements_file_read", file=str(path), rules=len(found.rules), ignored=len(wrong),
        such_as=[f"line {one.line}: {one.english}" for one in wrong[:5]],
    )  # fmt: skip
    return found
