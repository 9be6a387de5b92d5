"""The table of transitions and what hangs on it."""

from __future__ import annotations

from seacod.supervisor.workers.states import TRANSITIONS, ServiceState, WorkerState, service_state

FIRST = {WorkerState.STARTING}


def test_every_state_has_its_row_and_can_be_left_and_reached() -> None:
    assert set(TRANSITIONS) == set(WorkerState)
    reached = set().union(*TRANSITIONS.values())
    assert reached | FIRST == set(WorkerState)
    assert [state for state, after in TRANSITIONS.items() if not after] == [WorkerState.ENDED]
    # Whatever it does, a process can end at any time.
    assert all(
        WorkerState.ENDED in after for state, after in TRANSITIONS.items()
        if state is not WorkerState.ENDED
    )  # fmt: skip


def test_the_services_state_follows_from_the_worker_in_front_and_the_pause() -> None:
    assert service_state(None, False, False) is ServiceState.ABSENT
    assert service_state(None, True, False) is ServiceState.BACKING_OFF
    assert service_state(None, True, True) is ServiceState.CRASH_LOOPING
    # A try within a crash loop is a start like any other.
    assert service_state(WorkerState.STARTING, False, True) is ServiceState.STARTING
    assert service_state(WorkerState.SERVING, False, False) is ServiceState.SERVING
