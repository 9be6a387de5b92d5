"""The installed service under a real systemd, in the order an operator meets it.

One machine serves all tests of this file; each leaves the service running.
"""

from __future__ import annotations

import json
import subprocess
import threading
import time
import urllib.error
import urllib.request

import pytest
import sounds
from machine import Machine
from operating import URL, edited, health, is_serving, service_state, transcribe
from supervised import PATIENCE_SECONDS, wait_until

# What must be the same after a second installation.
PLACES = (
    "/opt/seacod /etc/seacod /etc/systemd/system /etc/logrotate.d /etc/sysusers.d "
    "/etc/tmpfiles.d /usr/local/bin /etc/passwd /etc/group"
).split()

pytestmark = pytest.mark.timeout(1200)


def snapshot(machine: Machine) -> str:
    """Names, times, owners and sizes of everything an installation touches."""
    return machine.run(
        "find", *PLACES, "-not", "-name", "__pycache__", "-not", "-path", "*/__pycache__/*",
        "-not", "-type", "d", "-printf", "%p %T@ %C@ %u %g %m %s %l\\n",
    ).stdout  # fmt: skip


def test_a_dry_run_says_every_step_and_does_none(machine: Machine) -> None:
    if machine.run("test", "-e", "/opt/seacod", check=False).returncode == 0:
        pytest.fail("this test must come before the installation")
    before = machine.run("sh", "-c", "ls -R /etc /opt /usr/local/bin /var/lib | sha256sum").stdout
    said = machine.install("--dry-run").stdout
    after = machine.run("sh", "-c", "ls -R /etc /opt /usr/local/bin /var/lib | sha256sum").stdout
    assert before == after
    for step in ("sysusers", "seacod.service", "/etc/seacod/seacod.yaml",
                 "logrotate", "enable", "restart"):  # fmt: skip
        assert step in said, step


def test_start_returns_when_the_model_answers(service: Machine) -> None:
    service.run("systemctl", "stop", "seacod.service")
    service.run("systemctl", "start", "seacod.service")
    # No waiting in between: READY=1 is a promise.
    assert transcribe(service)["text"] == sounds.SPEECH_TEXT


def test_what_was_asked_for_besides_is_installed(service: Machine) -> None:
    assert service.run("/opt/seacod/venv/bin/python", "-c", "import psycopg").returncode == 0
    # Another run of the installer, which says nothing of it, keeps it.
    assert service.run("cat", "/opt/seacod/extras").stdout.strip() == "postgresql"


def test_the_units_are_as_systemd_likes_them(service: Machine) -> None:
    told = service.run("systemd-analyze", "verify", "--man=no", "seacod.service")
    assert "seacod" not in told.stderr
    assert service.show("User") == "seacod"


def test_systemctl_status_tells_what_is_going_on(service: Machine) -> None:
    told = service.run("systemctl", "status", "--no-pager", "seacod").stdout
    assert "Status:" in told
    assert "builtin" in told.split("Status:")[1].splitlines()[0]
    assert "seacod worker" in told
    mine = service.run("seacod", "status").stdout
    assert "serving" in mine
    state = json.loads(service.run("seacod", "status", "--json").stdout)
    assert state["worker"]["state"] == "serving"
    assert state["pid"] == int(service.show("MainPID"))


def test_metrics_and_page_are_there(service: Machine) -> None:
    assert "asr_requests_total" in service.run("curl", "-fsS", "127.0.0.1:8000/metrics").stdout
    assert "<html" in service.run("curl", "-fsS", URL).stdout


def test_a_killed_worker_comes_back_and_the_journal_has_the_priorities(service: Machine) -> None:
    since = service.run("date", "+%s.%N").stdout.strip()
    transcribe(service)
    assert service.journal("-p", "err", f"--since=@{since}").strip() in ("", "-- No entries --")
    worker = json.loads(service.run("seacod", "status", "--json").stdout)["worker"]["pid"]
    main = service.show("MainPID")
    service.run("kill", "-KILL", str(worker))
    wait_until(lambda: service_state(service)["worker"]["pid"] not in (None, worker), "a new")
    wait_until(is_serving, "a worker that serves again")
    assert transcribe(service)["text"] == sounds.SPEECH_TEXT
    assert service.show("MainPID") == main

    entries = [
        json.loads(line)
        for line in service.run(
            "journalctl", "-u", "seacod", "-o", "json", f"--since=@{since}"
        ).stdout.splitlines()
    ]  # fmt: skip
    ours = [entry for entry in entries if "SEACOD_EVENT" in entry]
    exits = [entry for entry in ours if entry["SEACOD_EVENT"] == "worker_exited"]
    assert [entry["PRIORITY"] for entry in exits] == ["3"]
    assert exits[0]["SEACOD_WORKER_PID"] == str(worker)
    errors = service.journal("-p", "err", f"--since=@{since}")
    assert "SIGKILL" in errors
    assert "worker_state_changed" not in errors
    states = [entry for entry in ours if entry["SEACOD_EVENT"] == "worker_state_changed"]
    # It ended; a new one serves.
    assert len(states) >= 2
    assert all(int(entry["PRIORITY"]) > 3 for entry in states)


def test_a_restart_refuses_no_connection(service: Machine) -> None:
    """systemd keeps the socket: whoever connects in between waits a little or is told 503."""
    outcomes: list[object] = []
    over = threading.Event()

    def knock() -> None:
        while not over.is_set():
            try:
                with urllib.request.urlopen(f"{URL}/health", timeout=PATIENCE_SECONDS) as answer:
                    outcomes.append(answer.status)
            except urllib.error.HTTPError as error:
                outcomes.append(error.code)
            except OSError as error:
                outcomes.append(repr(error))
            time.sleep(0.01)

    knocking = threading.Thread(target=knock, name="knocking")
    knocking.start()
    try:
        service.run("systemctl", "restart", "seacod.service")
    finally:
        over.set()
        knocking.join()
    assert set(outcomes) <= {200, 503}
    assert {200, 503} <= set(outcomes)
    assert transcribe(service)["text"] == sounds.SPEECH_TEXT


def test_stop_is_clean(service: Machine) -> None:
    group = f"/sys/fs/cgroup{service.show('ControlGroup')}"
    since = service.run("date", "+%s.%N").stdout.strip()
    service.run("systemctl", "stop", "seacod.service")
    assert service.show("ActiveState") == "inactive"
    assert service.show("Result") == "success"
    assert service.show("ExecMainStatus") == "0"
    assert service.run("test", "-e", group, check=False).returncode != 0
    assert service.run("pgrep", "-u", "seacod", check=False).stdout == ""
    said = service.journal(f"--since=@{since}")
    assert "worker_drained" in said
    assert "Killing" not in said
    with pytest.raises(OSError):
        health()
    service.run("systemctl", "start", "seacod.service")
    assert is_serving()


def test_it_is_back_after_a_reboot(service: Machine) -> None:
    service.reboot()
    wait_until(is_serving, "a service after the reboot")
    assert transcribe(service)["text"] == sounds.SPEECH_TEXT
    assert service.show("NRestarts") == "0"


def test_a_second_installation_changes_nothing(service: Machine) -> None:
    before, main = snapshot(service), service.show("MainPID")
    outcome = service.install()
    assert "Nothing changed" in outcome.stdout
    assert snapshot(service) == before
    assert service.show("MainPID") == main


def test_a_wrong_configuration_is_named_and_not_looped(service: Machine) -> None:
    edited(service, lambda text: text.replace("limits:\n", "limits:\n  queue_lenght: 5\n"))
    assert service.run("systemctl", "restart", "seacod", check=False).returncode != 0
    try:
        assert service.show("ExecMainStatus") == "78"
        assert service.show("NRestarts") == "0"
        assert service.show("ActiveState") == "failed"
        errors = service.journal("-p", "err", "-n", "5")
        assert "/etc/seacod/seacod.yaml:" in errors
        assert "queue_lenght" in errors
        assert "queue_length" in errors
    finally:
        edited(service, lambda text: text.replace("  queue_lenght: 5\n", ""))
        service.run("systemctl", "start", "seacod")
    assert is_serving()


def test_reload_takes_the_new_configuration(service: Machine) -> None:
    main = service.show("MainPID")
    edited(service, lambda text: text.replace("  #queue_length: 20\n", "  queue_length: 7\n"))
    service.run("systemctl", "reload", "seacod")
    wait_until(lambda: is_serving() and health()["queue_length"] == 7, "a queue of 7")
    assert service.show("MainPID") == main


def test_logrotate_accepts_the_file_and_the_service_reopens(service: Machine) -> None:
    log = "/var/log/seacod/seacod.log"
    edited(service, lambda text: text.replace("  #file:", f"  file: {log}\n  #file:"))
    service.run("systemctl", "restart", "seacod")
    transcribe(service)
    service.run("logrotate", "--force", "/etc/logrotate.d/seacod")
    service.run("test", "-s", f"{log}.1")
    transcribe(service)
    # Written after the rotation, so it must be in the new file.
    wait_until(lambda: "transcribed" in service.run("cat", log).stdout, "the line in the new file")


def test_the_fixture_is_a_real_systemd(machine: Machine) -> None:
    """So that nobody takes a stand-in for it later."""
    assert machine.run("cat", "/proc/1/comm").stdout.strip() == "systemd"
    assert isinstance(machine.run("true"), subprocess.CompletedProcess)
