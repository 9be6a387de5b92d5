"""A worker that keeps ending: tried slowly, said everywhere, never given up."""

from __future__ import annotations

import signal

from supervised import StandIn, wait_until


def looping(service: StandIn, **supervisor: float) -> None:
    service.configure(
        supervisor={
            "backoff_initial_seconds": 0.01,
            "backoff_max_seconds": 0.1,
            "crash_loop_failures": 4,
            "crash_loop_pause_seconds": 3600,
            "stable_seconds": 1,
            **supervisor,
        }
    )


def test_a_crash_loop_is_entered_said_and_left(service: StandIn) -> None:
    looping(service, crash_loop_pause_seconds=0.3)
    service.plan(exit_at_start=1)
    service.start(wait=False)
    wait_until(lambda: service.status_of("crash_looping"), "a crash loop")
    (event,) = service.events("crash_loop_entered")
    assert event["level"] == "error"
    assert event["failures"] == 4
    # It goes on trying ...
    wait_until(lambda: len(service.events("worker_exited")) >= 7, "more tries")
    assert len(service.events("crash_loop_entered")) == 1
    # ... and a worker that holds leads out of it.
    service.plan()
    service.wait_for_state("serving")
    wait_until(lambda: service.events("crash_loop_left"), "the way out")


def test_while_it_loops_the_front_door_and_the_metrics_say_so(service: StandIn) -> None:
    looping(service)
    service.plan(exit_at_start=1)
    service.start(wait=False)
    wait_until(lambda: service.status_of("crash_looping"), "a crash loop")
    status, headers, body = service.get("/health")
    assert status == 503
    assert int(headers["Retry-After"]) > 60
    assert "keeps failing" in body.decode()
    status, _, body = service.get("/", Accept="text/html", Accept_Language="zh-CN")
    assert status == 503
    assert "反复失败" in body.decode()
    assert 'seacod_worker_state{state="crash_looping"} 1.0' in service.metrics()
    assert service.stop() == 0


def test_reload_ends_the_waiting(service: StandIn) -> None:
    looping(service)
    service.plan(exit_at_start=1)
    service.start(wait=False)
    wait_until(lambda: service.status_of("crash_looping"), "a crash loop")
    service.plan()
    looping(service, crash_loop_pause_seconds=3599)
    service.signal(signal.SIGHUP)
    service.wait_for_state("serving")
