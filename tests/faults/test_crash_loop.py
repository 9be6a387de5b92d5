"""A worker that keeps ending: tried slowly, said everywhere, never given up."""

from __future__ import annotations

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
