"""Another vendor is one file: it is read, handed out, watched and computed on like the first."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from receivers import Robot
from supervised import ROOT, StandIn, wait_until
from test_gpu_service import told

ACME = """
import json, os
from seacod.accelerators.base import Accelerator, Driver, DriverAbsent, DriverFailed, Gpu

class Acme(Accelerator):
    name = "Acme"
    device = "acme"
    looks_with = "acme-info"
    mend_driver = ("restart the acmed", "重启 acmed")
    mend_torch = ("pip install torch-acme", "请安装 torch-acme")
    device_groups = ("acme", "acme-control")
    lists_with = "acme-info --list"
    visibility = "ACME_VISIBLE"
    worker_environment = {"ACME_QUIET": "1"}

    def driver(self):
        return Reader()

    def shown(self, gpus, environment):
        listed = environment.get(self.visibility)
        return [gpu for gpu in gpus if listed in (None, gpu.uuid)]

    def environment(self, gpu):
        return {self.visibility: gpu.uuid}

    def count(self):
        return 2

    def hardware(self, device):
        return f"Acme One at {device}"

    def reserved_bytes(self, device):
        return 5

    def release_cache(self):
        print("released")

    def out_of_memory(self):
        return (BufferError,)

class Reader(Driver):
    def read(self):
        try:
            with open(os.environ["ACME"]) as file:
                told = json.load(file)
        except KeyError:
            raise DriverAbsent("no acme")
        if not told:
            raise DriverFailed("acmed is gone")
        return [
            Gpu("Acme", n, f"ACME-{n}", "Acme One", used << 20, 12288 << 20,
                None, None, None, False, None)
            for n, used in enumerate(told)
        ]

    def close(self):
        pass

ACCELERATOR = Acme()
"""
# As if the file lay in the package.
INSTALLED = """
import seacod.accelerators
seacod.accelerators.__path__.append({!r})
"""


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """Of a process that has the file."""
    (tmp_path / "vendors").mkdir()
    (tmp_path / "vendors" / "acme.py").write_text(ACME, "utf-8")
    (tmp_path / "site").mkdir()
    installed = INSTALLED.format(str(tmp_path / "vendors"))
    (tmp_path / "site" / "sitecustomize.py").write_text(installed, "utf-8")
    return {"PYTHONPATH": f"{tmp_path / 'site'}:{ROOT}"}


class AcmeService(StandIn):
    """A service on GPUs of this vendor."""

    def uses(self, *used_mib: int) -> None:
        """What the driver tells of each GPU; nothing for a driver that fails."""
        file = self.directory / "acme.json"
        file.with_suffix(".new").write_text(json.dumps(used_mib))
        file.with_suffix(".new").rename(file)
        self.environment["ACME"] = str(file)


@pytest.fixture
def service(environment: dict[str, str], robot: Robot, tmp_path: Path) -> Iterator[AcmeService]:
    one = AcmeService(tmp_path / "service")
    one.environment |= environment
    address = tmp_path / "webhook"
    address.write_text(robot.url)
    address.chmod(0o600)
    one.alerts = {"webhook_url_file": str(address), "gather_seconds": 0.1, "language": "en"}
    one.configure(
        asr={"device": "acme"}, gpu={"interval_seconds": 0.2}, alerts=one.alerts,
        supervisor={"workers": "auto"},
    )  # fmt: skip
    one.plan(device="acme:0", gpu_reserved_bytes=11_500 << 20)
    yield one
    one.kill()


def test_it_is_read_and_each_worker_is_given_one(service: AcmeService) -> None:
    service.uses(1000, 2000)
    service.start()

    def both() -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = (service.status() or {"workers": []})["workers"]
        return found if all(one["state"] == "serving" for one in found) else []

    workers = wait_until(both, "two workers")
    assert [one["gpu"] for one in workers] == ["ACME-0", "ACME-1"]

    def both_say() -> dict[str, str]:
        found = dict(re.findall(r"^(\d+) has (\S+)$", service.log_text(), re.MULTILINE))
        return found if len(found) == 2 else {}

    told = wait_until(both_say, "what they say")
    assert [told[str(one["pid"])] for one in workers] == ["ACME-0", "ACME-1"]
    read = wait_until(lambda: (service.status() or {})["gpu"]["gpus"], "a reading")
    assert [(one["vendor"], one["used_bytes"] >> 20) for one in read] == [
        ("Acme", 1000),
        ("Acme", 2000),
    ]
    assert 'seacod_gpu_memory_used_bytes{gpu="1"}' in service.metrics()


@pytest.mark.full
def test_it_is_watched(service: AcmeService, robot: Robot) -> None:
    service.uses(1000, 2000)
    service.start()
    service.uses(1000, 12_000)
    assert told(robot, "gpu_memory")["key"] == "GPU 1"
    wait_until(lambda: "told the worker: release_gpu_cache" in service.log_text(), "an action")
    service.uses()
    lost = told(robot, "gpu_lost")["text"]["en"]
    assert "acmed is gone" in lost
    assert "acme-info" in lost


@pytest.mark.full
def test_a_worker_computes_on_it(environment: dict[str, str]) -> None:
    code = (
        "from seacod.accelerators import registry\n"
        "device = registry.resolve('auto')\n"
        "one = registry.of_device(device)\n"
        "print(device, one.hardware(device), one.reserved_bytes(device), sep=';')\n"
        "print(BufferError in registry.out_of_memory(), registry.resolve('acme:1'))\n"
        "try:\n    registry.resolve('acme:2')\n"
        "except Exception as error:\n    print(error)\n"
    )
    answer = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True,
        env={**os.environ, **environment},
    )  # fmt: skip
    first, second, third = answer.stdout.splitlines()
    assert first == "acme:0;Acme One at acme:0;5"
    assert second == "True acme:1"
    assert "acme:2" in third
    assert "acme-info" in third


def test_the_unit_lets_its_devices_through_and_counts_its_workers(
    environment: dict[str, str],
) -> None:
    """After `make generated`."""
    code = (
        "from documents import unit; from seacod.config.asr import AsrSettings; "
        "print(unit.service(), unit.memory_limits(), AsrSettings.declared('device').english)"
    )
    path = f"{environment['PYTHONPATH']}:{ROOT / 'tools'}"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True,
        env={**os.environ, "PYTHONPATH": path},
    )  # fmt: skip
    assert "\nDeviceAllow=char-acme rw\nDeviceAllow=char-acme-control rw\n" in done.stdout
    assert "\nDeviceAllow=char-nvidia rw\n" in done.stdout
    assert "{ acme-info --list; nvidia-smi -L; }" in done.stdout
    assert "acme or acme:N, cuda or cuda:N" in done.stdout
