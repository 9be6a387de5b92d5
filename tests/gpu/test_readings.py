"""What is read of the GPUs, through the real pynvml."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import pytest
from gpus import Driver
from supervised import ROOT

from seacod.accelerators.base import Gpu
from seacod.accelerators.registry import visible

READ = """
import dataclasses, json
from seacod.accelerators.base import DriverAbsent, DriverFailed
from seacod.accelerators.reading import Drivers
try:
    print(json.dumps([dataclasses.asdict(gpu) for gpu in Drivers().read()]))
except (DriverAbsent, DriverFailed) as error:
    print(json.dumps({type(error).__name__: str(error)}))
"""


def read(driver: Driver) -> Any:
    """In a process of its own: a library once loaded stays."""
    answer = subprocess.run(
        [sys.executable, "-c", READ], check=True, capture_output=True, text=True,
        env={**os.environ, **driver.environment, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    return json.loads(answer.stdout)


def test_everything_a_card_tells(driver: Driver) -> None:
    driver.tell(used_mib=2048, processes={11: 1500, 12: 400})
    (gpu,) = read(driver)
    assert gpu == {
        "vendor": "NVIDIA", "index": 0, "uuid": "GPU-00000000-fake", "name": "Fake GPU 0",
        "used_bytes": 2048 << 20, "total_bytes": 12288 << 20,
        "utilization_ratio": 0.37, "temperature_celsius": 61.0, "power_watts": 98.5,
        "is_mig": False,
        "processes": [
            {"pid": 11, "used_bytes": 1500 << 20}, {"pid": 12, "used_bytes": 400 << 20},
        ],
    }  # fmt: skip


def test_what_a_card_does_not_tell_is_unknown(driver: Driver) -> None:
    driver.tell(used_mib=2048, unsupported=True)
    (gpu,) = read(driver)
    assert gpu["used_bytes"] == 2048 << 20
    for unknown in ("utilization_ratio", "temperature_celsius", "power_watts", "processes"):
        assert gpu[unknown] is None
    driver.tell(processes={11: -1})
    (gpu,) = read(driver)
    assert gpu["processes"] == [{"pid": 11, "used_bytes": None}]


def test_errors_are_told_apart_from_absence(driver: Driver) -> None:
    driver.tell(error=15)
    assert read(driver) == {"DriverFailed": "GPU is lost"}
    driver.environment["LD_LIBRARY_PATH"] = "/nowhere"
    if "DriverAbsent" not in (answer := read(driver)):
        pytest.skip(f"this machine has a driver of its own: {answer}")


def gpus(count: int) -> list[Gpu]:
    return [
        Gpu("NVIDIA", n, f"GPU-{n}aaa-fake", "Fake", 0, 1, None, None, None, False, None)
        for n in range(count)
    ]


@pytest.mark.parametrize(
    ("listed", "device", "index"),
    [
        (None, "cuda:0", 0),
        (None, "cuda:2", 2),
        ("2,0", "cuda:0", 2),
        ("2,0", "cuda:1", 0),
        ("GPU-1aaa", "cuda:0", 1),
        ("1", "cuda:1", None),
        ("", "cuda:0", None),
        ("-1", "cuda:0", None),
        # CUDA ignores what comes after a wrong entry.
        ("9,0", "cuda:0", None),
        (None, "cpu", None),
    ],
)
def test_the_gpu_that_pytorch_means(listed: str | None, device: str, index: int | None) -> None:
    environment = {} if listed is None else {"CUDA_VISIBLE_DEVICES": listed}
    found = visible(gpus(3), device, environment)
    assert (found.index if found else None) == index
