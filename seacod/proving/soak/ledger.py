"""What is written down in a run. Times are Unix seconds."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import Any

from seacod.proving.soak.timetable import Mix


class WorkOutcome(enum.Enum):
    """What became of a piece of work in the end."""

    RIGHT = "right"
    WRONG = "wrong"
    """Answered, with another text than it should be."""
    LOST = "lost"
    """Refused for good, or never answered, however often it was sent."""


class WorkKind(enum.Enum):
    """What somebody wanted."""

    RECORDING = "recording"
    BATCH = "batch"
    MICROPHONE = "microphone"
    PAGE = "page"


@dataclass(slots=True)
class WorkItem:
    """One piece of work somebody wanted done, with all its tries."""

    mix: Mix
    kind: WorkKind
    began: float
    audio_seconds: float = 0.0
    ended: float = 0.0
    outcome: WorkOutcome = WorkOutcome.LOST
    turned_away: int = 0
    """Told to come back (503)."""
    interrupted: int = 0
    """Broken off, and sent again."""
    refused: int = 0
    """Nobody took the connection."""
    remark: str = ""

    @property
    def seconds(self) -> float:
        """From the first try to the end; for a microphone, from its last sound."""
        spoken = self.audio_seconds if self.kind is WorkKind.MICROPHONE else 0.0
        return self.ended - self.began - spoken


@dataclass(frozen=True, slots=True)
class Probe:
    """One look at /health/ready. `answer`: the status; 0 none; -1 the connection was refused."""

    at: float
    answer: int
    seconds: float


_ROLES = {"supervisor": "守护进程", "worker": "识别进程", "nursery": "预备进程"}


def role_in_chinese(role: str) -> str:
    """A role of `Sample` by its Chinese name; that of a GPU is of no language."""
    return _ROLES.get(role, role.upper())


@dataclass(frozen=True, slots=True)
class Sample:
    """Sizes at one time, by role (`supervisor`, `worker`, `nursery`, `gpu 0`)."""

    at: float
    bytes: dict[str, int]
    pids: dict[str, int]
    """The process of each role; a GPU has none."""
    in_flight: int
    queue_depth: int


@dataclass(frozen=True, slots=True)
class SeenRestart:
    """A worker that was replaced without anybody asking."""

    at: float
    cause: str


@dataclass(slots=True)
class SoakLedger:
    """Everything that happened in a run."""

    pieces: list[WorkItem] = field(default_factory=list)
    probes: list[Probe] = field(default_factory=list)
    samples: list[Sample] = field(default_factory=list)
    restarts: list[SeenRestart] = field(default_factory=list)
    drills: list[dict[str, Any]] = field(default_factory=list)
    began: float = 0.0
    ended: float = 0.0
    is_early: bool = False
    """Somebody ended it before its time."""
    alerts: list[str] = field(default_factory=list)
    """Kinds that were open at some time."""
    service: dict[str, Any] = field(default_factory=dict)
    """What it said of itself at the beginning."""
