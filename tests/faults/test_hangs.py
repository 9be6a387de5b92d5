"""A worker that is there and does nothing: found, its stacks in the log, replaced. Those that only
look like it are in tests/unit/test_lifecycle_ends.py.
"""

from __future__ import annotations

from typing import Any

import pytest
from supervised import StandIn, wait_until


@pytest.mark.parametrize(
    ("plan", "cause"),
    [
        ({"blocked": True}, "hung: no beat"),
        ({"deaf": True}, "hung: no answer over HTTP"),
    ],
    ids=["blocked-in-c", "deaf"],
)
def test_a_hung_worker_is_replaced_with_its_stack_in_the_log(
    service: StandIn, plan: dict[str, Any], cause: str
) -> None:
    service.plan(**plan, times=1)
    service.start(wait=False)
    (hung,) = wait_until(lambda: service.events("worker_hung"), "a worker found hung")
    wait_until(lambda: service.status_of("serving", other_than=hung["worker_pid"]), "a new one")
    assert hung["cause"] == cause
    ended = service.events("worker_exited")[0]
    assert (ended["cause"], ended["kind"], ended["level"]) == (cause, "hung", "error")
    assert any("most recent call first" in line for line in ended["last_lines"])
    assert service.get()[0] == 200
    assert 'seacod_worker_restarts_total{cause="hung"} 1.0' in service.metrics()
