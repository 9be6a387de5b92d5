"""What is known of a worker's end that nobody asked for."""

from __future__ import annotations

from dataclasses import dataclass

from seacod.system.text.words import Words


@dataclass(frozen=True, slots=True)
class Crash:
    """An end of a worker that nobody asked for.

    Args:
        at: Unix seconds.
        pid: the pid of the worker.
        words: why, in both languages.
        kind: a value of `ExitKind`.
        status: exit code, or the negated signal number.
        in_state: what it was doing.
        served_seconds: how long it had served; None if it never did.
        in_flight: requests inside it, by its last beat: what is lost.
        queue_depth: how many of those requests had not begun.
        running: the recordings the model was at.
        last_lines: what it printed last: traceback, stacks.
    """

    at: float
    pid: int
    words: Words
    kind: str
    status: int
    in_state: str
    served_seconds: float | None
    in_flight: int
    queue_depth: int
    running: str
    last_lines: tuple[str, ...]
