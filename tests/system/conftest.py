"""The fixtures `machine`, one container with a real systemd for all tests here, and `service`, the
same with seacod installed."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from machine import Machine

CHECKOUT = Path(__file__).resolve().parents[2]


def _obstacle() -> str | None:
    """Why there can be no container here."""
    if os.geteuid() != 0:
        return "a container with a real systemd needs root: sudo ./tests/run tests/system"
    for program in ("systemd-nspawn", "nsenter", "journalctl"):
        if shutil.which(program) is None:
            return f"{program} is missing: apt-get install systemd systemd-container"
    return None


@pytest.fixture(scope="session")
def nspawn() -> None:
    """Skips what needs a container where there can be none."""
    obstacle = _obstacle()
    if obstacle is not None:
        pytest.skip(obstacle)


@pytest.fixture(scope="session")
def machine(nspawn: None) -> Iterator[Machine]:
    with Machine(CHECKOUT) as booted:
        yield booted


@pytest.fixture(scope="session")
def service(machine: Machine) -> Machine:
    """The machine with seacod installed, once; the last tests remove it."""
    outcome = machine.install("--model", "builtin", SEACOD_EXTRAS="postgresql")
    assert "systemctl returns when the model answers" in outcome.stdout
    return machine
