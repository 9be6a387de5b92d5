"""What the supervisor does by the clock, in simulated time: the real lives of workers that are no
processes. tests/supervisor and tests/faults have one test of each mechanism on real ones."""

from __future__ import annotations

import dataclasses
import itertools
import signal
from collections.abc import Callable
from typing import Any

import pytest
from simulated_worker import Plan, Worker
from simulation import World

from seacod import protocol
from seacod.shared_load import SLOTS_A_REPLICA
from seacod.supervisor.workers.states import ServiceState

Make = Callable[..., World]
DAY = 86_400.0


def pauses(world: World) -> list[float]:
    """Seconds between the end of each worker and the next start."""
    workers = world.processes
    return [after.started_at - before.exited_at for before, after in itertools.pairwise(workers)]


# -- what clients are told meanwhile ----------------------------------------------------------


def test_during_a_start_the_rest_of_it_is_told_as_starts_were_measured(make: Make) -> None:
    world = make()
    world.plan = Plan(fork_seconds=30.0, load_seconds=35.0)
    world.pass_seconds(10)
    # An estimate, since none was measured yet; it grows when the start is late.
    assert world.life.retry_after_seconds() == pytest.approx(13, abs=1)
    world.pass_seconds(18)
    assert world.life.retry_after_seconds() == pytest.approx(11, abs=1)
    world.started()
    world.front().exit(-9)
    world.pass_seconds(20)
    assert world.life.retry_after_seconds() == pytest.approx(10 + 5, abs=2)
    world.pass_seconds(12)
    assert world.life.retry_after_seconds() == pytest.approx(3, abs=2)


# -- ends and pauses --------------------------------------------------------------------------


def test_failing_starts_back_off_up_to_the_limit(make: Make) -> None:
    world = make(supervisor={"backoff_max_seconds": 8, "crash_loop_failures": 100})
    world.plan = Plan(exit_at_start=1)
    world.until(lambda: len(world.processes) == 9)
    for pause, step in zip(pauses(world), [1, 2, 4, 8, 8, 8, 8, 8], strict=True):
        assert step / 2 <= pause <= step + 0.01


def test_a_worker_that_served_starts_the_pauses_anew(make: Make) -> None:
    world = make()
    world.plan = Plan(exit_at_start=1)
    world.until(lambda: len(world.processes) == 4)
    world.plan = Plan()
    world.started().front().exit(-9)
    world.plan = Plan(exit_at_start=1)
    world.until(lambda: len(world.processes) == 7)
    assert pauses(world)[-2] <= 1.01


def test_a_worker_that_served_is_replaced_at_once_ten_times_and_then_soon(make: Make) -> None:
    world = make()
    world.plan = Plan(load_seconds=0.2)
    for _ in range(25):
        world.started().front().exit(-9)
    world.started()
    assert max(pauses(world)[:10]) <= 0.01
    assert min(pauses(world)[10:]) >= 0.5
    assert max(pauses(world)) <= 5.01
    assert world.told().count("crash_storm") == 1
    assert "crash_loop" not in world.told()
    world.pass_seconds(61)
    assert world.told()[-1] == "crash_storm over"


def test_one_that_serves_now_and_then_is_no_crash_loop(make: Make) -> None:
    world = make()
    for _ in range(10):
        world.plan = Plan(exit_at_start=1)
        world.until(lambda: world.state == "backing_off")
        world.plan = Plan()
        world.started()
        world.plan = Plan(exit_at_start=1)
        world.front().exit(-11)
    assert "crash_loop" not in world.told()


@pytest.mark.parametrize(
    ("status", "cause"),
    [(0, "exit code 0"), (1, "exit code 1"), (-11, "signal SIGSEGV"), (-9, "signal SIGKILL")],
)
def test_an_end_that_nobody_asked_for_is_a_failure_whatever_its_code(
    make: Make, status: int, cause: str
) -> None:
    world = make().started()
    world.front().exit(status)
    world.pass_seconds(0.001)
    assert (world.state, world.fallback.reason) == ("starting", "restarting")
    world.started()
    assert world.causes() == [cause]


def test_a_kill_for_memory_is_told_from_another(make: Make) -> None:
    world = make().started()
    world.memory_kills += 1
    world.front().exit(-9)
    world.pass_seconds(0.01)
    assert world.causes() == ["killed by the kernel: out of memory"]


def test_a_worker_that_is_never_ready_is_ended_and_started_again(make: Make) -> None:
    world = make()
    world.plan = Plan(never_ready=True, ignores_term=True)
    world.pass_seconds(44)
    world.plan = Plan()
    (first,) = world.processes
    assert [(round(at - first.started_at), n) for at, n in first.signals] == [(40, signal.SIGTERM)]
    world.started()
    assert [(round(at - first.started_at), n) for at, n in first.signals] == [
        (40, signal.SIGTERM),
        (45, signal.SIGKILL),
    ]
    assert world.causes() == ["not ready within worker.startup_timeout_seconds"]


def test_a_worker_owes_a_beat_from_when_it_serves(make: Make) -> None:
    """Loading keeps a Python busy for longer than a worker that serves may be silent."""
    world = make(supervisor={"probe_interval_seconds": 0})
    world.plan = Plan(load_seconds=30, beats_while_loading=False)
    world.started()
    world.pass_seconds(60)
    assert world.causes() == []


def test_a_stage_of_a_start_may_ask_for_more_time_and_never_gets_less(make: Make) -> None:
    world = make()
    world.plan = Plan(never_ready=True)
    world.pass_seconds(10)
    (first,) = world.processes
    # 40 s are the limit: the first asks for less than is left of them.
    first.say(protocol.Stage("loading", "正在加载", 5))
    world.pass_seconds(28)
    assert not first.signals
    first.say(protocol.Stage("downloading", "正在下载", 30))
    world.pass_seconds(29)
    assert not first.signals
    world.pass_seconds(3)
    assert [number for _, number in first.signals] == [signal.SIGTERM]


def test_a_first_start_with_a_broken_configuration_ends_the_service(make: Make) -> None:
    for count in (1, 2):
        world = make(count)
        world.plan = Plan(exit_at_start=78)
        world.until(world.running.done, 60)
        assert world.workers.fatal_exit_code == 78


# -- crash loops ------------------------------------------------------------------------------


def test_a_crash_loop_is_entered_said_once_and_left(make: Make) -> None:
    world = make()
    world.plan = Plan(exit_at_start=1)
    world.until(lambda: world.state == "crash_looping")
    assert world.fallback.reason == "crash_looping"
    assert len(world.crashes) == 5
    # Of which clients are told: 150 s at least, and the start.
    assert 150 <= world.life.retry_after_seconds() <= 320
    world.until(lambda: len(world.processes) == 9)
    assert all(150 <= pause <= 301 for pause in pauses(world)[-4:]), "slowly, never given up"
    assert world.told() == ["crash_loop"]
    world.plan = Plan()
    world.started().pass_seconds(61)
    # Of a storm the supervisor before may have told; where it is not open this is silent.
    assert world.told() == ["crash_loop", "crash_storm over", "crash_loop over"]
    assert not world.life.report.is_crash_looping


def test_a_reload_ends_the_waiting(make: Make) -> None:
    world = make()
    world.plan = Plan(exit_at_start=1)
    world.until(lambda: world.state == "crash_looping")
    world.plan = Plan()
    world.configure(limits={"queue_length": 7})
    world.reload()
    world.until(lambda: world.state == "serving", 5)


def test_a_pause_and_a_stop_do_not_care_for_the_wall_clock(make: Make) -> None:
    world = make(server={"drain_notice_seconds": 30})
    world.plan = Plan(exit_at_start=1)
    world.until(lambda: world.state == "backing_off")
    world.plan = Plan()
    world.set_wall_clock(-DAY)
    world.until(lambda: world.state == "serving", 10)
    world.stop()
    world.set_wall_clock(-DAY)
    world.until(world.running.done, 40)


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


# -- hangs ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("illness", "cause", "limit"),
    [
        ("silent", "hung: no beat", 15),
        ("stuck", "hung: work without progress", 60),
        ("deaf", "hung: no answer over HTTP", 15),
    ],
)
def test_a_hung_worker_is_given_up_with_its_stacks(
    make: Make, illness: str, cause: str, limit: int
) -> None:
    probes = {} if illness == "deaf" else {"probe_interval_seconds": 0}
    world = make(supervisor=probes).started()
    worker = world.front()
    worker.fall_ill(illness)
    began = world.clock.now
    world.until(lambda: not worker.is_alive, 120)
    (asked, told) = [number for _, number in worker.signals][:2]
    assert (asked, told) == (signal.SIGUSR2, signal.SIGTERM)
    assert limit - 6 <= worker.signals[0][0] - began <= limit + 3
    world.started()
    assert world.causes() == [cause]


def test_an_idle_worker_is_left_alone(make: Make) -> None:
    world = make().started()
    world.pass_seconds(1800)
    assert len(world.processes) == 1


def test_slow_work_that_goes_on_is_left_alone(make: Make) -> None:
    world = make().started()
    world.front().progress_age = 55.0
    world.pass_seconds(600)
    assert len(world.processes) == 1


def test_a_supervisor_that_stood_still_blames_nobody(make: Make) -> None:
    world = make(supervisor={"probe_interval_seconds": 0}).started()
    for seconds in (7, 60, DAY):
        world.stand_still(seconds)
        world.pass_seconds(20)
    assert len(world.processes) == 1
    world.front().fall_ill("silent")
    world.pass_seconds(20)
    assert world.causes() == ["hung: no beat"]


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
