"""How workers end and are started again, in simulated time: the real lives of
workers that are no processes. tests/supervisor and tests/faults have one test of each mechanism on
real ones."""

from __future__ import annotations

import itertools
import signal
from collections.abc import Callable

import pytest
from simulated_worker import Plan
from simulation import World

from seacod import protocol

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
    # Nobody was served since it fell ill, which is not when it was noticed.
    asked_after = worker.signals[0][0] - began
    assert world.workers.report.total_away_seconds >= asked_after - 6


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
