"""How a service stops, also with workers that nothing ends, in simulated time: the real lives of
workers that are no processes. tests/supervisor and tests/faults have one test of each mechanism on
real ones."""

from __future__ import annotations

import dataclasses
import signal
from collections.abc import Callable

from simulated_worker import Plan, Worker
from simulation import World

from seacod.supervisor.workers.states import ServiceState

Make = Callable[..., World]
DAY = 86_400.0


# -- stops ------------------------------------------------------------------------------------


def test_a_worker_that_ignores_drain_and_term_is_killed_in_time(make: Make) -> None:
    world = make()
    world.plan = Plan(ignores_drain=True, ignores_term=True)
    world.started().stop()
    assert world.fallback.reason == "starting"
    began = world.clock.now
    world.until(world.running.done, 40)
    (worker,) = world.processes
    assert [(round(at - began), n) for at, n in worker.signals] == [
        (22, signal.SIGTERM),
        (27, signal.SIGKILL),
    ]
    assert world.fallback.reason == "stopping"


def test_a_second_stop_does_not_wait_for_the_drain(make: Make) -> None:
    world = make()
    world.plan = Plan(drain_seconds=15)
    world.started().stop()
    world.pass_seconds(1)
    assert world.state == "draining"
    world.stop()
    world.until(world.running.done, 1)


def test_stopping_while_starting_and_while_backing_off(make: Make) -> None:
    world = make()
    world.pass_seconds(1)
    world.stop()
    world.until(world.running.done, 1)
    other = make()
    other.plan = Plan(exit_at_start=1)
    other.until(lambda: other.state == "backing_off")
    other.stop()
    other.until(other.running.done, 1)


def test_an_announced_stop_begins_when_its_time_is_over(make: Make) -> None:
    world = make(server={"drain_notice_seconds": 30}).started()
    world.stop()
    world.pass_seconds(29)
    assert (world.state, world.front().retired) == ("serving", True)
    world.until(world.running.done, 5)


def test_asked_again_an_announced_stop_begins_at_once(make: Make) -> None:
    world = make(server={"drain_notice_seconds": 3600}).started()
    world.stop()
    world.stop()
    world.until(world.running.done, 3)


def test_a_worker_that_dies_meanwhile_ends_the_service(make: Make) -> None:
    world = make(server={"drain_notice_seconds": 3600}).started()
    world.stop()
    world.pass_seconds(1)
    world.front().exit(-9)
    world.until(world.running.done, 1)


def test_an_announced_stop_ends_a_replacement_that_loads(make: Make) -> None:
    """It would be ready again in the eyes of a load balancer."""
    world = make(server={"drain_notice_seconds": 30}).started()
    first = world.front()
    world.recycle(0)
    world.pass_seconds(1)
    world.stop()
    world.pass_seconds(10)
    assert world.alive() == [first]


# -- what nothing ends ------------------------------------------------------------------------


def made_stuck(world: World, worker: Worker) -> None:
    """The kernel holds it: it neither goes on nor ends."""
    worker.plan = dataclasses.replace(worker.plan, ignores_kill=True)
    worker.fall_ill("silent")


def test_beside_a_worker_that_nothing_ends_another_one_starts(make: Make) -> None:
    """A driver or NFS holds it: SIGKILL is pending for ever."""
    world = make()
    stuck = world.started().front()
    made_stuck(world, stuck)
    world.until(lambda: world.fallback.is_open)
    (killed_at,) = (at for at, number in stuck.signals if number == signal.SIGKILL)
    assert 5.0 <= world.clock.now - killed_at <= 7.0
    (told,) = (one for one in world.alerts if one.kind == "worker_hung")
    assert "cannot be ended, not even by SIGKILL" in told.english
    world.until(lambda: not world.fallback.is_open)
    assert stuck.is_alive
    assert world.workers.report.state is ServiceState.SERVING
    # The driver answers at last.
    stuck.exit(-signal.SIGKILL)
    world.pass_seconds(1)
    assert world.told()[-1] == "worker_hung over"
    assert stuck.is_closed
    assert world.workers.report.state is ServiceState.SERVING


def test_a_stop_waits_for_no_worker_that_nothing_ends(make: Make) -> None:
    world = make()
    made_stuck(world, world.started().front())
    world.stop()
    world.until(lambda: world.running.done(), within_seconds=60)


def test_workers_that_nothing_ends_do_not_end_the_service(make: Make) -> None:
    """Each keeps its slot, of which there are sixteen."""
    world = make(supervisor={"crash_loop_failures": 1000, "backoff_max_seconds": 1})
    world.plan = Plan(never_ready=True, ignores_term=True, ignores_kill=True)
    world.until(lambda: len(world.alive()) == 16, within_seconds=2 * DAY)
    world.pass_seconds(1000)
    assert not world.running.done()
    assert world.fallback.is_open
    world.plan = Plan()
    world.alive()[0].exit(-signal.SIGKILL)
    world.started()
