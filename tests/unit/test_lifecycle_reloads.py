"""How reloads replace workers, one and several, in simulated time: the real lives of
workers that are no processes. tests/supervisor and tests/faults have one test of each mechanism on
real ones."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from simulated_worker import Plan
from simulation import World

from seacod.shared_load import SLOTS_A_REPLICA

Make = Callable[..., World]
DAY = 86_400.0


# -- reloads ----------------------------------------------------------------------------------


def with_threads(world: World, threads: int, **behaviour: Any) -> None:
    """A reload that needs new workers, which behave so."""
    world.bad_threads[threads] = behaviour
    world.configure(asr={"cpu_threads": threads})
    world.reload()


def outcome(world: World) -> str:
    return world.reloader.state.value


def test_more_old_workers_than_there_are_slots_for_end_nothing(make: Make) -> None:
    """Each reload leaves one that finishes what it has, for most of an hour."""
    world = make(worker={"drain_timeout_seconds": 3600})
    world.plan = Plan(drain_seconds=3000)
    world.started()
    for threads in range(2, 2 + 2 * SLOTS_A_REPLICA):
        with_threads(world, threads, drain_seconds=3000)
        world.pass_seconds(20)
        assert not world.running.done()
    world.until(lambda: world.state == "serving" and outcome(world) == "done", 7200)
    assert world.front().settings.asr.cpu_threads == threads


def test_an_unchanged_file_changes_nothing(make: Make) -> None:
    world = make().started()
    world.reload()
    assert (outcome(world), len(world.processes)) == ("done", 1)


def test_what_needs_a_restart_is_named_and_not_half_applied(make: Make) -> None:
    world = make().started()
    world.configure(server={"port": 7861}, asr={"cpu_threads": 1})
    world.reload()
    assert world.reloader.changed.restart == ("server.port",)
    world.until(lambda: outcome(world) == "done", 10)
    assert (world.settings.current.server.port, world.front().settings.asr.cpu_threads) == (7860, 1)


def test_one_that_may_not_overlap_comes_after_the_old_one(make: Make) -> None:
    world = make().started()
    first = world.front()
    world.recycle(0, may_overlap=False)
    world.pass_seconds(0.5)
    assert (world.fallback.is_open, world.fallback.reason) == (True, "replacing")
    world.until(lambda: world.state == "serving", 10)
    assert (first.is_alive, world.crashes) == (False, [])


@pytest.mark.parametrize("behaviour", [{"exit_at_start": 78}, {"never_ready": True}])
def test_settings_that_no_worker_gets_ready_with_are_given_up(
    make: Make, behaviour: dict[str, Any]
) -> None:
    world = make().started()
    first, before = world.front(), world.settings.current
    with_threads(world, 7, **behaviour)
    world.until(lambda: outcome(world) == "refused", 60)
    assert world.front() is first
    assert (world.settings.current, world.told()[0]) == (before, "configuration")
    # The settings before are in use again: the same file is a change again.
    with_threads(world, 7)
    world.until(lambda: outcome(world) == "done", 10)


def test_the_old_worker_dies_while_its_replacement_loads(make: Make) -> None:
    world = make().started()
    first = world.front()
    with_threads(world, 1, load_seconds=20.0)
    world.pass_seconds(1)
    first.exit(-9)
    world.pass_seconds(0.1)
    assert (world.state, world.fallback.is_open) == ("starting", True)
    world.until(lambda: outcome(world) == "done", 25)
    assert world.life.report.restarts == 1


def test_a_second_reload_overtakes_the_first(make: Make) -> None:
    world = make().started()
    with_threads(world, 1, never_ready=True)
    world.pass_seconds(1)
    with_threads(world, 2)
    world.until(lambda: outcome(world) == "done", 10)
    assert world.front().settings.asr.cpu_threads == 2
    world.until(lambda: len(world.alive()) == 1, 10)


def test_a_second_reload_that_fails_goes_back_to_what_served_before_the_first(make: Make) -> None:
    world = make().started()
    before = world.settings.current
    with_threads(world, 1, never_ready=True)
    world.pass_seconds(1)
    with_threads(world, 2, exit_at_start=1)
    world.until(lambda: outcome(world) == "refused", 10)
    assert world.settings.current == before


@pytest.mark.parametrize("count", [1, 2])
def test_what_all_workers_serve_with_is_what_a_later_failure_goes_back_to(
    make: Make, count: int
) -> None:
    world = make(count).started()
    with_threads(world, 1)
    world.until(lambda: outcome(world) == "done", 20)
    proven = world.settings.current
    assert proven.asr.cpu_threads == 1
    with_threads(world, 7, exit_at_start=1)
    world.until(lambda: outcome(world) == "refused", 20)
    assert world.settings.current == proven


def test_a_reload_does_not_take_the_outcome_of_the_one_before_for_its_own(make: Make) -> None:
    world = make().started()
    with_threads(world, 1, load_seconds=3.0)
    world.pass_seconds(2.9999)
    # The first one's worker gets ready in the very moment in which the second one is asked for.
    world.loop.call_later(0.0001, with_threads, world, 2, *[])
    world.pass_seconds(0.001)
    world.until(lambda: outcome(world) == "done", 20)
    assert world.front().settings.asr.cpu_threads == 2


def test_live_settings_meanwhile_are_kept_when_the_new_ones_are_given_up(make: Make) -> None:
    world = make().started()
    with_threads(world, 7, load_seconds=10.0, exit_on_serve=None, never_ready=True)
    world.pass_seconds(1)
    world.configure(limits={"queue_length": 9})
    world.reload()
    assert outcome(world) == "done"
    world.until(lambda: world.told() == ["configuration"], 60)
    world.pass_seconds(1)
    now = world.settings.current
    assert now.limits.queue_length == 9
    assert now.asr.cpu_threads == world.front().settings.asr.cpu_threads != 7
    world.front().exit(-9)
    world.until(lambda: world.state == "serving", 20)
    assert world.front().settings.asr.cpu_threads == now.asr.cpu_threads


# -- several workers --------------------------------------------------------------------------


def test_the_fallback_opens_when_the_last_one_is_gone(make: Make) -> None:
    world = make(2).started()
    world.front(0).exit(-9)
    world.pass_seconds(0.01)
    assert not world.fallback.is_open
    world.front(1).exit(-9)
    world.pass_seconds(0.01)
    assert world.fallback.is_open
    world.started()
    assert world.workers.report.total_away_seconds > 0


@pytest.mark.parametrize("count", [1, 2])
def test_time_without_a_worker_counts_while_it_lasts(make: Make, count: int) -> None:
    """A scrape during an outage shows it; after a restart of the supervisor nobody could."""
    world = make(count).started()
    for number in range(count):
        world.front(number).exit(-9)
    world.pass_seconds(2.5)
    assert world.state != "serving"
    seen = world.workers.report.total_away_seconds
    assert seen >= 1.0
    world.started()
    assert world.workers.report.total_away_seconds > seen


def test_settings_that_do_not_work_reach_one_worker_only(make: Make) -> None:
    world = make(2).started()
    before = [world.front(0), world.front(1)]
    with_threads(world, 7, exit_at_start=78)
    world.until(lambda: outcome(world) == "refused", 10)
    assert [world.front(0), world.front(1)] == before
    assert len(world.processes) == 3


def test_what_the_second_one_refuses_is_taken_back_from_the_first(make: Make) -> None:
    world = make(2).started()
    before = world.settings.current
    with_threads(world, 7)
    world.until(lambda: world.front(0).settings.asr.cpu_threads == 7, 10)
    world.bad_threads[7] = {"exit_at_start": 1}
    world.until(lambda: outcome(world) == "refused", 20)
    world.until(lambda: world.front(0).settings.asr.cpu_threads != 7, 20)
    assert world.settings.current == before


def test_what_was_refused_stays_refused_when_the_way_back_fails(make: Make) -> None:
    world = make(2).started()
    with_threads(world, 7)
    world.until(lambda: world.front(0).settings.asr.cpu_threads == 7, 10)
    world.plan = Plan(exit_at_start=1)
    world.until(lambda: outcome(world) == "refused", 20)
    world.pass_seconds(2)
    world.plan = Plan()
    world.front(0).exit(-9)
    world.started()
    assert world.front(0).settings.asr.cpu_threads != 7
