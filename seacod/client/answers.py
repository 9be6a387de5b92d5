"""What a service answers, typed, by the names of the JSON (docs/api.md). Times are seconds."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, TypeVar

from seacod.transcript import TranscriptWarning

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a recording is.

    Args:
        stage: queued, decoding or recognising.
        share: how much has been heard, 0 to 1; None when nobody knows its length.
        queue_position: from 1 while it waits.
    """

    stage: str
    share: float | None
    queue_position: int


@dataclass(frozen=True, slots=True)
class Written:
    """A recording in some format.

    Args:
        content: of the file.
        warnings: what a reader ought to know; not every format can hold them.
    """

    content: bytes
    warnings: tuple[TranscriptWarning, ...] = ()


@dataclass(frozen=True, slots=True)
class JobFile:
    """One recording of a batch; `error` has code, message and message_zh, `warnings` are what a
    reader of its text ought to know."""

    number: int
    name: str
    state: str
    progress: float
    audio_seconds: float | None
    error: dict[str, str] | None
    warnings: list[str]


@dataclass(frozen=True, slots=True)
class Job:
    """A batch: `progress` is 0 to 1, `counts` says how many files are in which state, `callback`
    how far the word of its end is, where somebody asked for it."""

    job: str
    state: str
    progress: float
    counts: dict[str, int]
    files: tuple[JobFile, ...]
    callback: dict[str, Any] | None = None

    @property
    def is_over(self) -> bool:
        """Whether nothing more will happen."""
        return self.state in ("done", "canceled")


@dataclass(frozen=True, slots=True)
class System:
    """A service at a glance; `service` is what the supervisor knows, None while it is silent;
    `shares_jobs` whether other services answer for its batches, too."""

    model: str
    device: str
    in_flight: int
    queue_depth: int
    live_sessions: int
    limits: dict[str, Any]
    versions: dict[str, str]
    service: dict[str, Any] | None
    shares_jobs: bool = False


def read(kind: type[T], body: dict[str, Any]) -> T:
    """JSON as one of these; what is not known here is left out.

    Raises:
        KeyError, TypeError: it is none.
    """
    names = [one.name for one in dataclasses.fields(kind)]  # type: ignore[arg-type]
    return kind(**{name: body[name] for name in names})


def read_system(body: dict[str, Any]) -> System:
    """A service; raises as `read`."""
    # An older one says nothing of what it shares.
    return read(System, {"shares_jobs": False, **body})


def read_job(body: dict[str, Any]) -> Job:
    """A batch; raises as `read`."""
    # An older service says nothing of warnings.
    files = tuple(read(JobFile, {"warnings": [], **one}) for one in body["files"])
    return read(Job, {"callback": None, **body, "files": files})
