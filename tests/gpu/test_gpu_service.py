"""A real service on a (fake) GPU: memory that runs full, by us and by others, and a driver that
fails."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from typing import Any

import pytest
from gpus import Driver
from receivers import Robot
from supervised import ROOT, StandIn, wait_until


def told(robot: Robot, kind: str, *, is_recovery: bool = False) -> dict[str, Any]:
    """The alert of this kind that came by the webhook."""

    def look() -> dict[str, Any] | None:
        for _, body in list(robot.requests):
            for alert in body["alerts"]:
                if (alert["kind"], alert["is_recovery"]) == (kind, is_recovery):
                    found: dict[str, Any] = alert
                    return found
        return None

    result: dict[str, Any] = wait_until(look, f"an alert {kind}: {robot.requests}")
    return result


def gpu_metrics(service: StandIn) -> list[str]:
    return [
        line for line in service.metrics().splitlines()
        if line.startswith(("gpu_", "seacod_gpu"))
    ]  # fmt: skip


def test_figures_are_in_status_metrics_and_the_status_line(
    service: StandIn, driver: Driver
) -> None:
    driver.tell(used_mib=3456)
    service.start()
    state = wait_until(lambda: (service.status() or {}).get("gpu", {}).get("gpus"), "a reading")
    assert state[0]["used_bytes"] == 3456 << 20
    assert 'gpu_memory_used_mb{gpu="0"} 3456.0' in gpu_metrics(service)
    assert 'gpu_util_percent{gpu="0"} 37.0' in gpu_metrics(service)


def test_a_gpu_full_by_others_is_said_of_a_model_on_the_processor(
    service: StandIn, driver: Driver
) -> None:
    service.plan(device="cpu")
    service.start()
    driver.tell(used_mib=11_800, processes={999_999: 11_500})

    def full() -> list[int]:
        status = service.status()
        assert status is not None
        numbers: list[int] = status["gpu"]["full_by_others"]
        return numbers

    wait_until(lambda: full() == [0], "word of it in the status")
    assert 'seacod_gpu_full_by_others{gpu="0"} 1.0' in gpu_metrics(service)
    assert service.events("gpu_memory_watch")[-1]["step"] == "foreign"
    checked = subprocess.run(
        [sys.executable, "-m", "seacod", "check", "gpu", "--config", str(service.config)],
        cwd=ROOT, env={**os.environ, "LC_ALL": "C.UTF-8"}, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert "full by other programs, and the model runs on the processor" in checked.stdout
    # Nobody is woken for it.
    assert not [one for one in service.events("alert_raised") if one["kind"] == "gpu_foreign"]
    driver.tell(used_mib=2_000)
    wait_until(lambda: full() == [], "word that it is over")
    assert 'seacod_gpu_full_by_others{gpu="0"} 0.0' in gpu_metrics(service)


def test_our_own_memory_first_the_cache_then_a_new_worker(
    service: StandIn, driver: Driver, robot: Robot
) -> None:
    service.start()
    first = service.worker_pid()
    driver.tell(used_mib=11_800, processes={first: 11_500})
    assert "asked to release its cache" in told(robot, "gpu_memory")["text"]["en"]
    wait_until(lambda: "told the worker: release_gpu_cache" in service.log_text(), "the request")
    assert "is replaced" in told(robot, "gpu_acted")["text"]["en"]
    status = wait_until(lambda: service.status_of("serving", other_than=first), "a new worker")
    # Planned: no failure, and one after the other, since two would not fit.
    assert status["restarts"]["count"] == 0
    assert service.events("replacing_one_after_the_other")
    driver.tell(used_mib=2_000, processes={status["worker"]["pid"]: 1_500})
    told(robot, "gpu_memory", is_recovery=True)
    assert service.get()[0] == 200


@pytest.mark.full
def test_by_the_workers_own_word_where_the_driver_knows_no_processes(
    service: StandIn, driver: Driver, robot: Robot
) -> None:
    """As in a container, where the driver's pids are not ours."""
    service.plan(device="cuda:0", gpu_reserved_bytes=11_000 << 20)
    service.start()
    driver.tell(used_mib=11_800, processes={999_999: 11_500})
    told(robot, "gpu_memory")


def test_a_neighbours_memory_never_restarts_ours(
    service: StandIn, driver: Driver, robot: Robot
) -> None:
    service.start()
    first = service.worker_pid()
    driver.tell(used_mib=12_000, processes={first: 1_000, 999_999: 11_000})
    alert = told(robot, "gpu_foreign")
    assert "This service is not restarted" in alert["text"]["en"]
    # Many more readings than any step needs.
    reading = (service.status() or {})["gpu"]["read_at"]
    wait_until(lambda: (service.status() or {})["gpu"]["read_at"] > reading + 3, "more readings")
    assert service.worker_pid() == first
    assert not service.events("replacing_one_after_the_other")
    assert "release_gpu_cache" not in service.log_text()


@pytest.mark.full
def test_a_replacement_that_does_not_help_is_not_repeated(
    service: StandIn, driver: Driver, robot: Robot
) -> None:
    service.start()
    first = service.worker_pid()
    driver.tell(used_mib=11_800, processes={first: 11_500})
    second = wait_until(lambda: service.status_of("serving", other_than=first), "a new worker")
    pid = second["worker"]["pid"]
    driver.tell(used_mib=11_800, processes={pid: 11_500})
    wait_until(lambda: service.events("not_replaced_again"), "the second time")
    assert service.worker_pid() == pid


@pytest.mark.full
def test_a_lost_gpu_is_told_and_shown_as_unknown_and_found_again(
    service: StandIn, driver: Driver, robot: Robot
) -> None:
    service.start()
    first = service.worker_pid()
    wait_until(lambda: gpu_metrics(service), "figures")
    driver.tell(error=15)
    assert "GPU is lost" in told(robot, "gpu_lost")["text"]["en"]
    assert not [line for line in gpu_metrics(service) if not line.startswith("#")]
    status = service.status() or {}
    assert (status["gpu"]["state"], status["gpu"]["gpus"]) == ("unknown", [])
    driver.tell(used_mib=1234)
    told(robot, "gpu_lost", is_recovery=True)
    wait_until(lambda: 'gpu_memory_used_mb{gpu="0"} 1234.0' in gpu_metrics(service), "figures")
    assert service.worker_pid() == first


@pytest.mark.full
def test_a_driver_that_hangs_does_not_hang_the_service(
    service: StandIn, driver: Driver, robot: Robot
) -> None:
    driver.tell(hang_seconds=15)
    service.start()
    told(robot, "gpu_lost")
    assert service.get()[0] == 200
    assert service.stop() == 0


def test_without_a_driver_it_says_so_once_and_everything_else_works(service: StandIn) -> None:
    service.environment["LD_LIBRARY_PATH"] = "/nowhere"
    service.start()
    state = wait_until(
        lambda: (service.status() or {})["gpu"]["state"] != "unknown" and service.status(), "known"
    )
    assert service.get()[0] == 200
    if state["gpu"]["state"] != "absent":
        pytest.skip("this machine has a driver of its own")
    assert len(service.events("gpu_watch_off")) == 1


@pytest.mark.full
def test_only_the_gpu_of_the_worker_is_watched(
    service: StandIn, driver: Driver, robot: Robot
) -> None:
    service.environment["CUDA_VISIBLE_DEVICES"] = "1"
    driver.tell(used_mib=12_200, others="gpu 12288 500 1 40 30000 0")
    service.start()
    wait_until(lambda: len((service.status() or {})["gpu"]["gpus"]) == 2, "two GPUs")
    reading = (service.status() or {})["gpu"]["read_at"]
    wait_until(lambda: (service.status() or {})["gpu"]["read_at"] > reading + 2, "more readings")
    assert not robot.requests


def test_the_checklist_sees_the_gpu_and_where_the_worker_is(
    service: StandIn, driver: Driver
) -> None:
    def look() -> dict[str, Any]:
        done = subprocess.run(
            [sys.executable, "-m", "seacod", "check", "gpu", "device", "--json", "--config",
             str(service.config)],
            capture_output=True, text=True, check=False,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )  # fmt: skip
        return {item["name"]: item for item in json.loads(done.stdout)["items"]}

    driver.tell(used_mib=3456)
    service.start()
    wait_until(lambda: (service.status() or {}).get("gpu", {}).get("gpus"), "a reading")
    items = look()
    assert "3456 of 12288 MiB used" in items["gpu"]["seen"]
    assert (items["gpu"]["status"], items["device"]["status"]) == ("ok", "ok")
    driver.tell(error=999)
    wait_until(lambda: (service.status() or {})["gpu"]["state"] == "unknown", "a driver that fails")
    items = look()
    assert items["gpu"]["status"] == "fail"
    assert "nvidia-smi" in items["gpu"]["mend"]
    # A worker that came up without CUDA, though there is a GPU.
    driver.tell(used_mib=3456)
    wait_until(lambda: (service.status() or {})["gpu"]["state"] == "read", "a reading")
    service.plan(device="cpu")
    os.kill(service.worker_pid(), signal.SIGKILL)
    wait_until(lambda: (service.status() or {})["worker"]["device"] == "cpu", "a worker on the cpu")
    items = look()
    assert items["device"]["status"] == "warn"
    assert "though there is a GPU" in items["device"]["seen"]
    assert "SEACOD_TORCH=cuda" in items["device"]["mend"]
    service.configure(alerts=service.alerts, asr={"device": "cuda"})
    assert look()["device"]["status"] == "fail"
