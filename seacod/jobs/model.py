"""What a job and its files are, and how a file gets from one state to the next."""

from __future__ import annotations

import enum
import json
from collections.abc import Collection
from dataclasses import dataclass

from seacod.asr.choice import SoundChoice


class FileState(enum.Enum):
    """The state of one file of a job."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    POISON = "poison"
    """The file ended the worker twice; it is not tried again by itself."""
    CANCELED = "canceled"

    @property
    def is_over(self) -> bool:
        """Whether this state is final, unless somebody asks for another try."""
        return self not in (FileState.WAITING, FileState.RUNNING)


# From each state to those that may follow it.
TRANSITIONS: dict[FileState, frozenset[FileState]] = {
    FileState.WAITING: frozenset({FileState.RUNNING, FileState.CANCELED, FileState.POISON}),
    FileState.RUNNING: frozenset(
        {
            FileState.DONE,
            FileState.FAILED,
            FileState.WAITING,
            FileState.POISON,
            FileState.CANCELED,
        }
    ),
    FileState.DONE: frozenset(),
    # When a client asks for another try.
    FileState.FAILED: frozenset({FileState.WAITING}),
    FileState.POISON: frozenset({FileState.WAITING}),
    FileState.CANCELED: frozenset(),
}

# A file that was with the worker in so many of its crashes is poison.
CRASHES_ARE_POISON = 2
# And one that was interrupted so often from outside (power, kill -9).
INTERRUPTIONS_ARE_POISON = 10
# An upload that was never accepted (the worker died on the way) is an orphan after so long.
ORPHAN_SECONDS = 86_400.0


@dataclass(frozen=True, slots=True)
class JobFile:
    """One recording of a job; times are Unix seconds."""

    job: str
    number: int
    name: str
    size_bytes: int
    state: FileState
    crashes: int
    interruptions: int
    started: float | None
    finished: float | None
    audio_seconds: float | None
    error_code: str | None
    error: str | None
    error_zh: str | None
    # Sentences in English and Chinese, as JSON.
    warnings: str = "[]"
    # The address of its recording, where that lies outside (`address_book.py`).
    place: str = ""

    def sentences(self, language: str) -> list[str]:
        """What a reader of its text ought to know, in "en" or "zh"."""
        return [one[language] for one in json.loads(self.warnings)]


@dataclass(frozen=True, slots=True)
class Submission:
    """What a client calls an upload (`Idempotency-Key`), and the digest of what it sent."""

    key: str
    digest: str


class CallbackState(enum.Enum):
    """How far the word that a job is over has come."""

    WAITING = "waiting"
    DELIVERED = "delivered"
    GIVEN_UP = "given_up"


@dataclass(frozen=True, slots=True)
class Callback:
    """Word that a job is over, for the address its client gave; times are Unix seconds.

    Args:
        id: the same at each try, so that its receiver can tell repetitions.
        host: of the address, with its port.
        body: JSON, the same at each try.
        due: when it is tried next.
        ended: when it was delivered or given up.
        answer: what came of the last try.
    """

    id: str
    job: str
    url: str
    host: str
    body: str
    made: float
    due: float
    state: CallbackState
    attempts: int
    ended: float | None
    answer: str


@dataclass(frozen=True, slots=True)
class Job:
    """An accepted batch; `choices` is JSON: what its client says about the formats
    (`seacod/formats/asked.py`), `callback_url` who is to be told of its end."""

    id: str
    client: str
    hotwords: str
    created: float
    finished: float | None
    is_canceled: bool
    choice: SoundChoice
    choices: str
    callback_url: str = ""

    def state(self, states: Collection[FileState]) -> str:
        """The state of the job by those of its files: waiting, running, done or canceled."""
        if self.is_canceled:
            return "canceled"
        if all(state.is_over for state in states):
            return "done"
        has_begun = any(state is not FileState.WAITING for state in states)
        return "running" if has_begun else "waiting"
