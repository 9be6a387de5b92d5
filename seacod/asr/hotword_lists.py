"""The hotwords of a request: those it brought, and those the server has for that client or for
everybody, read anew when their file changes. `service.py` owns one; it lives on the event loop, and
reads files and long lists on threads.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache, partial
from itertools import islice
from pathlib import Path

import structlog

from seacod.asr import hotword_formats, hotwords
from seacod.asr.hotwords import Hotwords
from seacod.config.schema import Settings
from seacod.system.files.watched_file import WatchedFile
from seacod.system.net.client_names import own_name
from seacod.system.processes.threads import on_thread

log = structlog.get_logger(__name__)

# In a directory, the list for everybody; NAME.txt is for the key or login of that name.
FOR_ALL = "all"
_NAME = re.compile(r"[A-Za-z0-9._@-]{1,64}")
_THREAD = "seacod-hotwords"
# Files are looked at so often at most, and read when they are others.
_LOOK_SECONDS = 1.0
# A request waits so long for a file system that does not answer; then it has what was read before.
_PATIENCE_SECONDS = 2.0
_MAX_FILES = 1_000
# Long lists of requests are read by so many threads, and so many are kept as they were read.
_THREADS = 2
_LISTS_KEPT = 8
# What is shorter is read at once.
_SHORT_CHARACTERS = 2_000


class HotwordLists:
    """See the top of the file.

    Args:
        settings: `asr.hotwords_file` and `limits.max_hotwords` of them.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._files: dict[str, WatchedFile[Hotwords]] = {}
        # Of the words in each of them, when they were read.
        self._limit = 0
        self._looked = -_LOOK_SECONDS
        self._looking: asyncio.Future[None] | None = None
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix=_THREAD)
        # The files of a batch come one after the other, each with the list of the batch.
        self._parsed = lru_cache(_LISTS_KEPT)(hotwords.parse)

    def apply(self, settings: Settings) -> None:
        """Use these settings for requests from now on."""
        self._settings = settings
        self._looked = -_LOOK_SECONDS

    async def of(self, given: str | Iterable[str] | None, client: str) -> Hotwords:
        """The words of a request.

        Args:
            given: as somebody typed them.
            client: who asks, as in the queue.
        """
        limit = self._settings.limits.max_hotwords
        text = given if isinstance(given, str) else "\n".join(given or ())
        # What is behind that is not read; one character of it says that it is there.
        text = text[: hotword_formats.MAX_CHARACTERS + 1]
        if len(text) > _SHORT_CHARACTERS:
            loop = asyncio.get_running_loop()
            found = await loop.run_in_executor(self._threads, self._parsed, text, limit)
        else:
            found = hotwords.parse(text, limit)
        if self._settings.asr.hotwords_file is not None:
            await self._look()
            for name in (own_name(client), FOR_ALL):
                if file := self._files.get(name):
                    found = found.joined(file.value)
        return found

    def trouble(self) -> str:
        """Why the words of the server are not those of its file, as was last seen; empty when they
        are. Waits for no file system: it has it looked at again."""
        if self._settings.asr.hotwords_file is None:
            return ""
        self._begin_to_look()
        troubles = (file.trouble or file.value.trouble for file in self._files.values())
        return next(filter(None, troubles), "")

    async def _look(self) -> None:
        looking = self._begin_to_look()
        await asyncio.wait([looking], timeout=_PATIENCE_SECONDS)

    def _begin_to_look(self) -> asyncio.Future[None]:
        if self._looking is None or (
            self._looking.done() and time.monotonic() - self._looked >= _LOOK_SECONDS
        ):
            self._looked = time.monotonic()
            self._looking = on_thread(_THREAD, partial(self._read, self._settings))
        return self._looking

    # -- on a thread --------------------------------------------------------------------------

    def _read(self, settings: Settings) -> None:
        place = settings.asr.hotwords_file
        assert place is not None
        known = self._files
        files = {}
        limit = settings.limits.max_hotwords
        for name, path in _named(place):
            file = known.get(name)
            if file is None or file.path != path or self._limit != limit:
                file = _watched(path, limit)
            file.look()
            files[name] = file
        self._files, self._limit = files, limit


def _named(place: Path) -> Iterator[tuple[str, Path]]:
    """Each list with the name of whom it is for."""
    if not place.is_dir():
        yield FOR_ALL, place
        return
    for path in islice(sorted(place.glob("*.txt")), _MAX_FILES):
        if _NAME.fullmatch(path.stem):
            yield path.stem, path


def _watched(path: Path, limit: int) -> WatchedFile[Hotwords]:
    """A list of at most so many words."""

    def read(content: bytes) -> Hotwords:
        words = hotwords.parse(hotword_formats.decoded(content), limit)
        log.info(
            "hotwords_file_read", file=str(path), words=len(words.words),
            ignored=len(words.ignored),
            such_as=[f"{one.word}: {one.reason}" for one in words.ignored[:5]],
            remarks=[warning.message for warning in words.warnings],
        )  # fmt: skip
        return words

    return WatchedFile(path, "hotwords_file", Hotwords(), read)
