"""`supervisor.workers`: several workers on one socket, each with a life of its own."""

from __future__ import annotations

import os
import signal
from typing import Any

import pytest
from supervised import StandIn, fetch, wait_until

from seacod.cli.status import lines
from seacod.proving.load import ClientLoad


@pytest.fixture
def pair(service: StandIn) -> StandIn:
    """Two workers."""
    service.configure(supervisor={"workers": 2})
    return service


def workers(service: StandIn) -> list[dict[str, Any]]:
    return (service.status() or {"workers": []})["workers"]


def pids(service: StandIn) -> list[int | None]:
    return [one["pid"] for one in workers(service)]


def all_serve(service: StandIn, count: int = 2) -> bool:
    return [one["state"] for one in workers(service)] == ["serving"] * count


def started(service: StandIn) -> StandIn:
    service.start()
    wait_until(lambda: all_serve(service), lambda: f"two workers; log:\n{service.log_text()}")
    return service


def value(service: StandIn, name: str) -> float:
    lines = service.metrics().splitlines()
    return float(next(line.split()[1] for line in lines if line.startswith(f"{name} ")))


def test_both_answer_behind_one_address(pair: StandIn) -> None:
    started(pair)
    heard: set[bytes] = set()

    def both() -> bool:
        heard.add(fetch(pair.url)[2])
        return len(heard) == 2

    wait_until(both, "an answer of each")
    assert value(pair, "seacod_workers") == value(pair, "seacod_workers_serving") == 2
    text = "\n".join(lines(pair.status() or {}))
    assert "worker 1   serving, pid " in text
    assert "worker 2   serving, pid " in text


def test_one_that_dies_costs_only_what_was_inside(pair: StandIn) -> None:
    pair.plan(answer_seconds=0.05)
    started(pair)
    dead, other = pids(pair)
    with ClientLoad(pair.port, requests_per_connection=1) as load:
        wait_until(lambda: load.seen["200"] > 20, "load")
        os.kill(dead, signal.SIGSEGV)
        wait_until(lambda: pids(pair)[0] not in (dead, None) and all_serve(pair), "another one")
        seen = load.seen["200"]
        wait_until(lambda: load.seen["200"] > seen + 20, "more load")
    # Nobody was turned away: the other one served, and the fallback stayed closed.
    assert load.seen["503"] == 0
    assert pids(pair)[1] == other
    assert value(pair, "seacod_front_door_answers_total") == 0
    assert value(pair, "seacod_worker_away_seconds_total") == 0
    # The other one hears whose fault it was.
    wait_until(lambda: f"told the worker: blame {dead}" in pair.log_text(), "word of it")
    (told,) = [e for e in pair.events("alert_raised") if e["kind"] == "worker_crashed"]
    assert told["key"] == "worker 1"


def test_each_scrape_shows_how_long_nobody_has_served(pair: StandIn) -> None:
    started(pair)
    pair.plan(never_ready=True)
    before = pids(pair)
    for pid in before:
        os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not {None, *before} & set(pids(pair)), "workers that will not get ready")
    # From here on nothing happens.
    name = "seacod_worker_away_seconds_total"
    seen = value(pair, name)
    wait_until(lambda: value(pair, name) > seen + 1, "the outage in the figures while it lasts")
    assert not all_serve(pair)


def test_a_reload_takes_one_after_the_other_and_fails_no_request(pair: StandIn) -> None:
    pair.plan(answer_seconds=0.05)
    started(pair)
    before = pids(pair)
    with ClientLoad(pair.port, requests_per_connection=5) as load:
        wait_until(lambda: load.seen["200"] > 5, "load")
        pair.configure(supervisor={"workers": 2}, asr={"cpu_threads": 3})
        pair.signal(signal.SIGHUP)
        wait_until(lambda: all_serve(pair) and not set(before) & set(pids(pair)), "two new workers")
        wait_until(lambda: (pair.status() or {})["reload"]["state"] == "done", "done")
    assert set(load.seen) == {"200"}
    moves = [e["worker_pid"] for e in pair.events("worker_state_changed") if e["new"] == "draining"]
    assert moves == before


def test_a_hung_one_is_found_though_the_other_answers(pair: StandIn) -> None:
    def configure(failures: int) -> None:
        pair.configure(
            supervisor={
                "workers": 2, "probe_interval_seconds": 0.5, "probe_timeout_seconds": 3,
                "probe_failures": failures,
            }
        )  # fmt: skip

    configure(100)
    pair.plan(deaf=True, times=1)
    pair.start(wait=False)
    wait_until(lambda: all_serve(pair), "two workers")
    first = pids(pair)
    # Both are there: now they may be found.
    configure(3)
    pair.signal(signal.SIGHUP)
    wait_until(lambda: set(pids(pair)) != set(first) and all_serve(pair), "another in its place")
    [hung] = pair.events("worker_hung")
    assert hung["cause"] == "hung: no answer over HTTP"
    # Whoever answers stays.
    assert set(pids(pair)) & set(first) == set(first) - {hung["worker_pid"]}
    assert pair.get()[0] == 200


def test_a_stop_ends_all_of_them(pair: StandIn) -> None:
    pair.plan(answer_seconds=0.5)
    started(pair)
    with ClientLoad(pair.port, requests_per_connection=1) as load:
        wait_until(lambda: load.seen["200"] > 2, "load")
        assert pair.stop() == 0
    assert len(pair.events("worker_drained")) == 2
    assert all(e["abandoned"] == 0 for e in pair.events("worker_drained"))
