"""The table of transitions and what hangs on it."""

from __future__ import annotations

from seacod.metrics import WORKER_STATES
from seacod.supervisor.states import TRANSITIONS, WorkerState


def test_every_state_has_its_row_and_can_be_left_and_reached() -> None:
    assert set(TRANSITIONS) == set(WorkerState)
    reached = set().union(*TRANSITIONS.values())
    assert reached == set(WorkerState)
    assert all(TRANSITIONS.values())


def test_the_metrics_know_the_same_states() -> None:
    assert set(WORKER_STATES) == {state.value for state in WorkerState}


def test_only_a_starting_worker_begins_to_serve() -> None:
    assert [s for s in WorkerState if WorkerState.SERVING in TRANSITIONS[s]] == [
        WorkerState.STARTING
    ]
