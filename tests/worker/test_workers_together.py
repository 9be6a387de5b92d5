"""Two real workers behind one address, with one queue."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sounds import SPEECH
from supervised import Faulty, Service, wait_until

from seacod.cli.fleet import fleet
from seacod.proving.bench import long_audio
from seacod.proving.load import ClientLoad


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Faulty]:
    one = Faulty(tmp_path_factory.mktemp("pair"))
    one.configure(
        supervisor={"workers": "2"},
        limits={"queue_length": 2, "concurrent_requests": 1},
    )
    with one.running():
        wait_until(lambda: serving(one) == 2, lambda: f"two workers:\n{one.log_text()[-4000:]}")
        yield one


def workers(service: Service) -> list[dict[str, Any]]:
    return list((service.status() or {"workers": []})["workers"])


def serving(service: Service) -> int:
    return sum(one["state"] == "serving" for one in workers(service))


def answered(service: Service) -> list[int]:
    return [one["answered"] for one in workers(service)]


def test_they_share_the_work(pair: Faulty) -> None:
    """Who takes which: tests/unit/test_who_accepts.py."""
    before = answered(pair)

    def told() -> list[int]:
        return [now - then for now, then in zip(answered(pair), before, strict=True)]

    # Three find room at one of them, should all their connections be accepted there.
    with ClientLoad(
        pair.port, clients=3, recording=SPEECH.read_bytes(), requests_per_connection=20
    ) as load:
        wait_until(lambda: min(told()) >= 15, lambda: f"fifteen answers of each: {told()}")
    assert load.failed() == {}


def test_the_queue_is_one_for_both(pair: Service, tmp_path: Path) -> None:
    recording = tmp_path / "long.wav"
    long_audio.write(recording, 120.0)
    with ClientLoad(
        pair.port, clients=12, recording=recording.read_bytes(), pause_after_503_seconds=1.0
    ) as load:
        wait_until(lambda: load.seen["503"] >= 6, "refusals")
        wait_until(lambda: sum(one["in_flight"] for one in workers(pair)) >= 3, "work in both")
        most = max(sum(one["in_flight"] for one in workers(pair)) for _ in range(20))
    # One runs at each, two wait, and one more place is kept for somebody new, at each.
    assert most <= 6
    assert set(load.seen) == {"200", "503"}


def test_whoever_answers_tells_of_both(pair: Faulty) -> None:
    text, code = fleet(f"127.0.0.1:{pair.port}", None, as_json=False)
    assert code == 0
    assert "2 workers" in text
    first, second = (one["pid"] for one in workers(pair))
    with (
        ClientLoad(pair.port, clients=4, recording=SPEECH.read_bytes()),
        pair.holding(first),
        pair.holding(second),
    ):
        for _ in range(10):
            wait_until(lambda: json.loads(pair.get("/system")[2])["in_flight"] >= 3, "all four")


def test_one_that_is_killed_costs_its_own_requests(pair: Service) -> None:
    before = [one["pid"] for one in workers(pair)]
    with ClientLoad(pair.port, clients=2, recording=SPEECH.read_bytes()) as load:
        wait_until(lambda: load.seen["200"] >= 4, "answers")
        os.kill(before[0], signal.SIGKILL)
        seen = load.seen["200"]
        wait_until(lambda: load.seen["200"] >= seen + 10, "the other one's answers")
        wait_until(lambda: serving(pair) == 2 and workers(pair)[0]["pid"] != before[0], "a new one")
    assert workers(pair)[1]["pid"] == before[1]
    assert set(load.seen) <= {"200", "cut"}
    assert load.seen["cut"] <= 2
