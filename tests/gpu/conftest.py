"""The real pynvml against a libnvidia-ml.so.1 of our own (fake_nvml.c), which tells what a file
says. There is no NVIDIA driver where these tests usually run; with one, tests/gpu/test_real.py asks
the real library, too."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import gpus
import pytest
from gpus import Driver
from receivers import Robot
from supervised import StandIn


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory with the library."""
    return gpus.build(tmp_path_factory.mktemp("nvml"))


@pytest.fixture
def driver(library: Path, tmp_path: Path) -> Driver:
    """What the fake driver tells."""
    return Driver(tmp_path / "nvml.txt", library)


@pytest.fixture
def service(driver: Driver, robot: Robot, tmp_path: Path) -> Iterator[StandIn]:
    """A supervisor whose worker says it is on cuda:0, and whose operator has a webhook."""
    one = StandIn(tmp_path / "service")
    one.environment |= driver.environment
    one.environment.pop("CUDA_VISIBLE_DEVICES", None)
    address = tmp_path / "webhook"
    address.write_text(robot.url)
    address.chmod(0o600)
    one.alerts = {"webhook_url_file": str(address), "gather_seconds": 0.1, "language": "en"}
    one.configure(gpu={"interval_seconds": 0.2}, alerts=one.alerts)
    one.plan(device="cuda:0")
    yield one
    one.kill()
