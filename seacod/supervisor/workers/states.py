"""The states of a worker and of the service, and the only ways between them."""

from __future__ import annotations

import enum


class WorkerState(enum.Enum):
    """Where one worker process is in its life, seen from the supervisor."""

    STARTING = "starting"
    """It waits to be forked, or is not ready yet: see `asr/preparation.py`."""
    SERVING = "serving"
    """It accepts on the listening socket."""
    DRAINING = "draining"
    """It finishes what it has and accepts nothing more."""
    STOPPING = "stopping"
    """It was told to end now (TERM, later KILL)."""
    STUCK = "stuck"
    """It was killed and does not end: the kernel holds it, mostly for a driver or a disk that does
    not answer. Nobody waits for it."""
    ENDED = "ended"
    """It was reaped."""


TRANSITIONS: dict[WorkerState, frozenset[WorkerState]] = {
    WorkerState.STARTING: frozenset({WorkerState.SERVING, WorkerState.STOPPING, WorkerState.ENDED}),
    WorkerState.SERVING: frozenset({WorkerState.DRAINING, WorkerState.STOPPING, WorkerState.ENDED}),
    WorkerState.DRAINING: frozenset({WorkerState.STOPPING, WorkerState.ENDED}),
    WorkerState.STOPPING: frozenset({WorkerState.STUCK, WorkerState.ENDED}),
    WorkerState.STUCK: frozenset({WorkerState.ENDED}),
    WorkerState.ENDED: frozenset(),
}


class ServiceState(enum.Enum):
    """What the service as a whole is doing: what its worker in front does, or its pause."""

    ABSENT = "absent"
    """No worker, and none is due (before the first start, after the last stop)."""
    STARTING = "starting"
    SERVING = "serving"
    DRAINING = "draining"
    STOPPING = "stopping"
    BACKING_OFF = "backing_off"
    """The worker ended; the next start is due after a pause."""
    CRASH_LOOPING = "crash_looping"
    """Workers keep ending; tries go on, slowly, until one is stable."""


def service_state(front: WorkerState | None, is_paused: bool, is_crash_loop: bool) -> ServiceState:
    """The service's state, which is no state of its own: it follows from these.

    Args:
        front: the state of the worker that serves or is to serve; None without one.
        is_paused: the next start is due at a known time.
        is_crash_loop: and that time is a slow one.
    """
    if front is not None and front not in (WorkerState.STUCK, WorkerState.ENDED):
        return ServiceState(front.value)
    if is_paused:
        return ServiceState.CRASH_LOOPING if is_crash_loop else ServiceState.BACKING_OFF
    return ServiceState.ABSENT
