"""The installed service as one of several nodes, and with several workers: its stop is announced to
a load balancer, and systemd knows what its workers are doing."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
import sounds
from machine import Machine
from operating import URL, edited, is_serving, service_state, transcribe
from supervised import fetch, wait_until

pytestmark = pytest.mark.timeout(600)


@pytest.fixture(autouse=True)
def as_it_was(service: Machine) -> Iterator[None]:
    path = service.root / "etc/seacod/seacod.yaml"
    kept = path.read_text("utf-8")
    yield
    path.write_text(kept, "utf-8")
    service.run("systemctl", "restart", "seacod")
    wait_until(is_serving, "the service as it was")


def ready() -> int:
    return fetch(f"{URL}/health/ready")[0]


def set_to(service: Machine, section: str, line: str) -> None:
    edited(
        service, lambda text: re.sub(rf"^{section}:\n", f"{section}:\n  {line}\n", text, flags=re.M)
    )


def test_systemctl_stop_is_announced_before_anything_is_refused(service: Machine) -> None:
    # Until it is asked again, below; systemd would wait a minute.
    set_to(service, "server", "drain_notice_seconds: 50")
    service.run("systemctl", "reload", "seacod")
    assert ready() == 200
    service.run("systemctl", "stop", "--no-block", "seacod.service")
    wait_until(lambda: ready() == 503, "readiness that is gone")
    # Whoever still comes is served.
    assert transcribe(service)["text"] == sounds.SPEECH_TEXT
    assert service.show("ActiveState") == "deactivating"
    service.run("systemctl", "kill", "-s", "TERM", "--kill-whom=main", "seacod.service")
    wait_until(lambda: service.show("ActiveState") == "inactive", "the end")
    assert service.show("Result") == "success"
    assert "stop_announced" in service.journal("-n", "100")
    service.run("systemctl", "start", "seacod.service")


def test_two_workers_under_systemd(service: Machine) -> None:
    set_to(service, "supervisor", 'workers: "2"')
    service.run("systemctl", "restart", "seacod")

    def both() -> bool:
        return [one["state"] for one in service_state(service)["workers"]] == ["serving"] * 2

    wait_until(both, "two workers")
    status = wait_until(
        lambda: (text := service.show("StatusText")) and "2 of 2 workers serve" in text and text,
        "the status line",
    )
    assert status.startswith("serving")
    first, second = (one["pid"] for one in service_state(service)["workers"])
    service.run("kill", "-KILL", str(first))
    # The other one answers at once.
    assert transcribe(service)["text"] == sounds.SPEECH_TEXT
    wait_until(both, "two workers again")
    assert service_state(service)["workers"][1]["pid"] == second
    printed = service.run("seacod", "status").stdout
    assert "worker 1   serving" in printed
    assert "worker 2   serving" in printed
