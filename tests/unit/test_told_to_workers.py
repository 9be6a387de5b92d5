"""What supervisor and workers tell each other besides starts and ends, in simulated time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from simulated_worker import Plan
from simulation import World

from seacod import protocol
from seacod.supervisor.bus import RecordingsSuspected, WorkerBeat, WorkerBlamed, WorkerGone

Make = Callable[..., World]


def heard_by(world: World, kind: type[Any]) -> list[Any]:
    """What is published of one kind, from now on."""
    found: list[Any] = []
    world.bus.subscribe(kind, found.append)
    return found


def test_live_settings_reach_every_worker_there_is(make: Make) -> None:
    world = make().started()
    old = world.front()
    world.plan = Plan(load_seconds=20.0)
    world.recycle(0)
    world.pass_seconds(1)
    world.configure(limits={"queue_length": 9})
    world.reload()
    world.pass_seconds(1)
    assert [one.settings.limits.queue_length for one in world.alive()] == [9, 9]
    assert world.heard(old, protocol.Reload)[0].changes == {"limits.queue_length": 9}


def test_every_worker_opens_its_log_anew(make: Make) -> None:
    world = make().started()
    world.plan = Plan(load_seconds=20.0)
    world.recycle(0)
    world.pass_seconds(1)
    world.workers.reopen_logs()
    assert [len(world.heard(one, protocol.ReopenLogs)) for one in world.alive()] == [1, 1]


@pytest.mark.parametrize(
    ("status", "is_blamed"),
    [(-11, True), (-6, True), (1, True), (-9, False), (-15, False), (0, False)],
)
def test_who_ended_by_its_own_fault_is_told_to_the_next_and_to_those_beside(
    make: Make, status: int, is_blamed: bool
) -> None:
    world = make(2).started()
    blamed, gone = heard_by(world, WorkerBlamed), heard_by(world, WorkerGone)
    first, beside = world.front(0), world.front(1)
    first.exit(status)
    world.started()
    pids = [first.pid] if is_blamed else []
    assert [(one.pid, one.slot) for one in blamed] == [(pid, first.slot) for pid in pids]
    assert [one.slot for one in gone] == [first.slot]
    assert world.heard(world.front(0), protocol.Serve)[0].blamed_pids == pids
    assert [one.pid for one in world.heard(beside, protocol.Blame)] == pids


def test_one_that_hung_is_blamed(make: Make) -> None:
    world = make(supervisor={"probe_interval_seconds": 0}).started()
    blamed, first = heard_by(world, WorkerBlamed), world.front()
    first.fall_ill("stuck")
    world.until(lambda: not first.is_alive, 120)
    world.started()
    assert [one.pid for one in blamed] == [first.pid]


def test_suspects_are_told_to_who_serves_and_to_who_comes(make: Make) -> None:
    world = make().started()
    world.bus.publish(RecordingsSuspected({"abc": 1}))
    first = world.front()
    assert world.heard(first, protocol.SuspectsMessage)[-1].ends == {"abc": 1}
    first.exit(-9)
    world.started()
    assert world.heard(world.front(), protocol.SuspectsMessage)[-1].ends == {"abc": 1}


def test_figures_are_those_of_the_worker_in_front_and_of_one_that_lives(make: Make) -> None:
    world = make().started()
    beats = heard_by(world, WorkerBeat)
    old = world.front()
    world.plan = Plan(load_seconds=20.0)
    world.recycle(0)
    world.pass_seconds(1)
    loading = next(one for one in world.alive() if one is not old)
    old.say(protocol.Beat(2, 1, 0.0, 0.0))
    loading.say(protocol.Beat(7, 7, 0.0, 0.0))
    world.pass_seconds(0.01)
    beat = world.life.report.beat
    assert beat is not None
    assert (beat.in_flight, beats[-1].beat.in_flight) == (2, 2)
    assert 7 not in [one.beat.in_flight for one in beats]
    world.plan = Plan()
    old.exit(-9)
    world.pass_seconds(0.01)
    # Nobody is inside one that has ended.
    assert (world.life.report.beat, world.life.report.beat_at) == (None, None)


def test_a_fault_of_the_model_is_told(make: Make) -> None:
    world = make().started()
    world.front().say(protocol.Fault("canary", "the text is another one"))
    world.front().say(protocol.Fault("model_unavailable", "only in the log"))
    world.pass_seconds(0.01)
    assert world.told() == ["canary"]


def test_a_download_extends_the_start(make: Make) -> None:
    world = make()
    world.plan = Plan(load_seconds=90.0)
    world.pass_seconds(30)
    (worker,) = world.processes
    worker.say(protocol.Stage("downloading the model", "正在下载模型", 100.0))
    world.started()
    assert len(world.processes) == 1
    assert world.heard(worker, protocol.Serve)


def test_a_longer_limit_helps_a_start_that_is_under_way(make: Make) -> None:
    world = make()
    world.plan = Plan(load_seconds=70.0)
    world.pass_seconds(30)
    world.configure(worker={"startup_timeout_seconds": 100})
    world.reload()
    world.started()
    assert len(world.processes) == 1


def test_a_worker_that_loaded_for_long_owes_its_first_beat_from_its_first_answer(
    make: Make,
) -> None:
    world = make(supervisor={"probe_interval_seconds": 0})
    world.plan = Plan(load_seconds=30.0)
    world.pass_seconds(1)
    # The loop of one that loads stands still: its last beat is old when it begins to serve.
    world.beats_again_at = world.clock.now + 31
    world.started()
    world.pass_seconds(20)
    assert len(world.processes) == 1


def test_the_time_to_come_back_is_that_of_the_starts_before(make: Make) -> None:
    world = make(supervisor={"crash_loop_failures": 100, "backoff_max_seconds": 60})
    world.plan = Plan(fork_seconds=0.0, load_seconds=33.0)
    world.started()
    world.front().exit(-9)
    world.pass_seconds(3)
    during = world.life.retry_after_seconds()
    assert during > 5, "a start takes half a minute here"
    world.pass_seconds(during - 1)
    assert 1 <= world.life.retry_after_seconds() <= during
    world.started()
    world.plan = Plan(exit_at_start=1)
    world.front().exit(-9)
    world.until(lambda: world.state == "backing_off")
    pause = world.life.seconds_until_deadline() or 0.0
    assert world.life.retry_after_seconds() > pause + 5, "the pause, and then the start"


def test_the_dossier_names_what_was_with_the_model(make: Make) -> None:
    world = make().started()
    world.front().say(protocol.Beat(1, 0, 3.0, 0.0, running="talk.wav (0a1b)"))
    world.pass_seconds(0.01)
    world.front().exit(-11)
    world.started()
    (crash,) = world.crashes
    assert (crash.crash.running, crash.crash.in_flight) == ("talk.wav (0a1b)", 1)


def test_a_replacement_that_is_asked_for_during_a_stop_does_not_come(make: Make) -> None:
    world = make(server={"drain_notice_seconds": 30}).started()
    world.stop()
    world.pass_seconds(1)
    world.recycle(0)
    world.pass_seconds(10)
    assert len(world.processes) == 1


def test_a_reload_during_the_back_off_is_told_done(make: Make) -> None:
    world = make()
    world.plan = Plan(exit_at_start=1)
    world.until(lambda: world.state == "crash_looping")
    world.plan = Plan()
    world.configure(limits={"queue_length": 7})
    world.reload()
    assert world.reloader.state.value == "running"
    world.until(lambda: world.reloader.state.value == "done", 30)


def test_a_refused_file_is_told(make: Make) -> None:
    world = make().started()
    world.is_file_broken = True
    world.reload()
    assert (world.told(), world.reloader.state.value) == (["configuration"], "refused")
    assert "broken" in world.reloader.problem[0]


def test_a_configuration_that_no_worker_takes_is_not_tried_again_and_again(make: Make) -> None:
    world = make().started()
    world.plan = Plan(exit_at_start=78)
    world.front().exit(-9)
    world.until(lambda: world.state == "crash_looping", 20)
    assert len(world.processes) == 2
    assert (world.life.seconds_until_deadline() or 0) > 200
