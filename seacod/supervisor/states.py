"""The worker's states and the only ways between them."""

from __future__ import annotations

import enum


class WorkerState(enum.Enum):
    """Where the worker is in its life, seen from the supervisor."""

    ABSENT = "absent"
    """No process, and none is due (before the first start, after the last stop)."""
    STARTING = "starting"
    """A process exists and has not yet transcribed its warm-up recording."""
    SERVING = "serving"
    """It accepts on the listening socket."""
    DRAINING = "draining"
    """It finishes what it has and accepts nothing more."""
    STOPPING = "stopping"
    """It was told to end now (TERM, later KILL)."""
    BACKING_OFF = "backing_off"
    """It ended; the next start is due after a pause."""
    CRASH_LOOPING = "crash_looping"
    """It keeps ending; tries go on, slowly, until one is stable."""


# No process, and the next start is due at a known time.
PAUSED = frozenset({WorkerState.BACKING_OFF, WorkerState.CRASH_LOOPING})

TRANSITIONS: dict[WorkerState, frozenset[WorkerState]] = {
    WorkerState.ABSENT: frozenset({WorkerState.STARTING}),
    WorkerState.STARTING: frozenset(
        {WorkerState.SERVING, WorkerState.STOPPING, *PAUSED, WorkerState.ABSENT}
    ),
    WorkerState.SERVING: frozenset({WorkerState.DRAINING, WorkerState.STOPPING, *PAUSED}),
    WorkerState.DRAINING: frozenset(
        {WorkerState.STOPPING, *PAUSED, WorkerState.STARTING, WorkerState.ABSENT}
    ),
    WorkerState.STOPPING: frozenset({*PAUSED, WorkerState.STARTING, WorkerState.ABSENT}),
    WorkerState.BACKING_OFF: frozenset({WorkerState.STARTING, WorkerState.ABSENT}),
    WorkerState.CRASH_LOOPING: frozenset({WorkerState.STARTING, WorkerState.ABSENT}),
}
