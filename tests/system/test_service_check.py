"""`seacod check` and `seacod drill` on an installed service: what only systemd, root and other
users show."""

from __future__ import annotations

import json
from typing import Any

import pytest
from machine import Machine
from operating import is_serving
from supervised import wait_until

pytestmark = pytest.mark.timeout(600)
ROTATION = "/etc/logrotate.d/seacod"


def check(machine: Machine, *items: str) -> tuple[int, dict[str, dict[str, Any]]]:
    done = machine.run("seacod", "check", "--json", *items, check=False)
    assert "Traceback" not in done.stderr
    return done.returncode, {item["name"]: item for item in json.loads(done.stdout)["items"]}


def test_an_installed_service_is_fit(service: Machine) -> None:
    wait_until(is_serving, "a service that serves")
    code, items = check(service)
    bad = {name: item for name, item in items.items() if item["status"] == "fail"}
    assert not bad, bad
    assert code in (0, 1)
    for name in ("configuration", "service", "address", "page", "recognition", "hotwords", "device",
                 "permissions", "logs", "boot", "watchdog", "versions"):  # fmt: skip
        assert items[name]["status"] == "ok", items[name]
    assert "armed with 30s" in items["watchdog"]["seen"]
    assert "files belong to seacod" in items["permissions"]["seen"]


def test_what_is_told_to_mend_mends(service: Machine) -> None:
    service.run("systemctl", "disable", "-q", "seacod.service")
    code, items = check(service, "boot")
    assert (code, items["boot"]["status"]) == (2, "fail")
    assert "seacod.service: not started at boot" in items["boot"]["seen"]
    service.run("sh", "-c", items["boot"]["mend"])
    assert check(service, "boot")[0] == 0

    service.run("chmod", "o+rx", "/var/lib/seacod")
    _, items = check(service, "permissions")
    assert items["permissions"]["status"] == "warn"
    service.run("sh", "-c", items["permissions"]["mend"])
    assert check(service, "permissions")[0] == 0


def test_a_log_file_is_rotated_or_it_is_said(service: Machine) -> None:
    kept = (service.root / "etc/seacod/seacod.yaml").read_text("utf-8")
    file = "/var/log/seacod/seacod.log"
    # Another test of this machine may have set it before.
    is_set = f"\n  file: {file}\n" in kept
    changed = kept if is_set else kept.replace("  #file:", f"  file: {file}", 1)
    (service.root / "etc/seacod/seacod.yaml").write_text(changed, "utf-8")
    service.run("systemctl", "reload", "seacod")
    _, items = check(service, "logs")
    assert (items["logs"]["status"], items["logs"]["seen"]) == ("ok", f"{file}, rotated daily")
    service.run("mv", ROTATION, "/root/rotation")
    _, items = check(service, "logs")
    assert items["logs"]["status"] == "warn"
    assert "nothing rotates it" in items["logs"]["seen"]
    service.run("mv", "/root/rotation", ROTATION)
    (service.root / "etc/seacod/seacod.yaml").write_text(kept, "utf-8")
    service.run("systemctl", "reload", "seacod")


# status, check and transcribe use the open port: tests/operating/test_ordinary_user.py.
@pytest.mark.parametrize("command", ["drill kill-worker --yes", "soak -o /tmp/soak", "reload"])
def test_somebody_who_may_not_ask_is_told_who_may(service: Machine, command: str) -> None:
    done = service.run("runuser", "-u", "nobody", "--", "seacod", *command.split(), check=False)
    assert done.returncode == 69, done.stderr
    said = done.stdout + done.stderr
    assert "only root and members of the group seacod may ask the service" in said
    assert "Traceback" not in said


def test_the_supervisor_is_killed_on_purpose(service: Machine) -> None:
    main = service.show("MainPID")
    told = json.loads(service.run("seacod", "drill", "kill-supervisor", "--yes", "--json").stdout)
    assert service.show("MainPID") != main
    assert told["detected_seconds"] > 0
    assert told["serving_seconds"] > told["detected_seconds"]
    # What was inside, and nothing else: systemd keeps the socket.
    assert told["lost"] <= 2
    wait_until(is_serving, "a service that serves")
