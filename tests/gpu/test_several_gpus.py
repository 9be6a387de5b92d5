"""`supervisor.workers: auto`: a worker for each GPU, with a life and a watch of its own."""

from __future__ import annotations

import os
import re
import signal
from typing import Any

import pytest
from gpus import Driver
from receivers import Robot
from supervised import StandIn, wait_until
from test_gpu_service import told

SECOND = "gpu 12288 {mib} 37 61 98500 0\nprocess 1 {pid} {own}"


@pytest.fixture
def pair(service: StandIn, driver: Driver) -> StandIn:
    """Two GPUs, and as many workers as there are."""
    driver.tell(others="gpu 12288 1000 37 61 98500 0")
    service.configure(
        gpu={"interval_seconds": 0.2}, alerts=service.alerts, supervisor={"workers": "auto"}
    )
    return service


def workers(service: StandIn) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (service.status() or {"workers": []})["workers"]
    return found if all(one["state"] == "serving" for one in found) else []


def started(service: StandIn) -> list[dict[str, Any]]:
    service.start()
    found: list[dict[str, Any]] = wait_until(lambda: workers(service), "all workers")
    return found


def sees(service: StandIn) -> list[str]:
    """What each worker has said that it sees, one after the other."""
    return re.findall(r"^sees (\S+)$", service.log_text(), re.MULTILINE)


def is_another(service: StandIn, pid: int) -> bool:
    """Whether all serve, and the second is another than that one."""
    now = workers(service)
    return bool(now) and now[1]["pid"] != pid


def test_each_sees_one_gpu(pair: StandIn) -> None:
    both = started(pair)
    assert len(both) == 2
    seen = wait_until(lambda: len(one := sees(pair)) == 2 and one, "what both say")
    assert sorted(seen) == sorted(str(one["gpu"]) for one in both)
    assert len(set(seen)) == 2
    # Whoever comes after one that died has its GPU.
    os.kill(both[1]["pid"], signal.SIGKILL)
    wait_until(lambda: is_another(pair, both[1]["pid"]), "another")
    assert wait_until(lambda: sees(pair)[2:], "what it says") == [both[1]["gpu"]]
    assert workers(pair)[0]["pid"] == both[0]["pid"]


@pytest.mark.full
def test_the_operators_choice_of_gpus_is_kept(pair: StandIn) -> None:
    pair.environment["CUDA_VISIBLE_DEVICES"] = "1"
    (only,) = started(pair)
    # One worker sees what the service sees.
    assert only["gpu"] is None
    assert wait_until(lambda: sees(pair), "what it says") == ["1"]


def test_only_the_worker_whose_gpu_is_full_is_replaced(
    pair: StandIn, driver: Driver, robot: Robot
) -> None:
    first, second = started(pair)
    driver.tell(others=SECOND.format(mib=11_800, pid=second["pid"], own=11_500))
    assert told(robot, "gpu_memory")["key"] == "GPU 1"
    wait_until(lambda: is_another(pair, second["pid"]), "a worker in its place")
    assert workers(pair)[0]["pid"] == first["pid"]
    assert pair.log_text().count("told the worker: release_gpu_cache") == 1
    # The other one served all the time.
    assert "seacod_worker_away_seconds_total 0.0" in pair.metrics()


def test_a_single_gpu_that_is_lost_is_told_and_its_worker_goes_on(
    pair: StandIn, driver: Driver, robot: Robot
) -> None:
    both = started(pair)
    driver.tell(others="gpu 12288 1000 37 61 98500 0\nlost 1")
    lost = told(robot, "gpu_lost")
    assert lost["key"] == "GPU 1"
    assert "GPU is lost" in lost["text"]["en"]
    driver.tell(others="gpu 12288 1000 37 61 98500 0")
    assert told(robot, "gpu_lost", is_recovery=True)["key"] == "GPU 1"
    assert [one["pid"] for one in workers(pair)] == [one["pid"] for one in both]


@pytest.mark.full
def test_more_workers_than_gpus_share_one_watch(
    pair: StandIn, driver: Driver, robot: Robot
) -> None:
    pair.configure(gpu={"interval_seconds": 0.2}, alerts=pair.alerts, supervisor={"workers": "3"})
    three = started(pair)
    assert [one["gpu"] for one in three] == [three[0]["gpu"], three[1]["gpu"], three[0]["gpu"]]
    driver.tell(
        used_mib=11_800, processes={three[0]["pid"]: 6_000, three[2]["pid"]: 5_500},
        others="gpu 12288 1000 37 61 98500 0",
    )  # fmt: skip
    told(robot, "gpu_memory")
    # Asked of both that are on it.
    wait_until(lambda: pair.log_text().count("release_gpu_cache") == 2, "two requests")
    told(robot, "gpu_acted")
    raised = [alert for _, body in robot.requests for alert in body["alerts"]
              if alert["kind"] == "gpu_memory" and not alert["is_recovery"]]  # fmt: skip
    assert len(raised) == 1
