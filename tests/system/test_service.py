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
from collections.abc import Callable
from typing import Any

import pytest
import sounds
from machine import Machine
from supervised import wait_until

URL = "http://127.0.0.1:7860"
# What must be the same after a second installation.
PLACES = (
    "/opt/seacod /etc/seacod /etc/systemd/system /etc/logrotate.d /etc/sysusers.d "
    "/etc/tmpfiles.d /usr/local/bin /etc/passwd /etc/group"
).split()

pytestmark = pytest.mark.timeout(1200)


@pytest.fixture(scope="module")
def service(machine: Machine) -> Machine:
    """The machine with seacod installed, once."""
    outcome = machine.install("--model", "builtin")
    assert "systemctl returns when the model answers" in outcome.stdout
    return machine


def transcribe(machine: Machine, url: str = URL) -> dict[str, Any]:
    """What an operator would type; any status but 200 fails the test."""
    recording = f"/srv/seacod/seacod/models/builtin/examples/{sounds.SPEECH.name}"
    answer = machine.run("curl", "-sS", "--fail-with-body", "-F", f"file=@{recording}",
                         f"{url}/transcribe")  # fmt: skip
    result: dict[str, Any] = json.loads(answer.stdout)
    return result


def health() -> dict[str, Any]:
    with urllib.request.urlopen(f"{URL}/health", timeout=10) as answer:
        result: dict[str, Any] = json.load(answer)
    return result


def is_serving() -> bool:
    try:
        return health()["status"] == "ok"
    except (OSError, urllib.error.HTTPError):
        return False


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
    for step in ("sysusers", "seacod.socket", "seacod.service", "/etc/seacod/seacod.yaml",
                 "logrotate", "enable", "restart"):  # fmt: skip
        assert step in said, step


def test_start_returns_when_the_model_answers(service: Machine) -> None:
    service.run("systemctl", "stop", "seacod.service")
    service.run("systemctl", "start", "seacod.service")
    # No waiting in between: READY=1 is a promise.
    assert transcribe(service)["text"] == sounds.SPEECH_TEXT


def test_the_units_are_as_systemd_likes_them(service: Machine) -> None:
    told = service.run("systemd-analyze", "verify", "--man=no", "seacod.service", "seacod.socket")
    assert "seacod" not in told.stderr
    assert service.show("User") == "seacod"
    exposure = service.run("systemd-analyze", "security", "--no-pager", "seacod.service").stdout
    assert float(exposure.rsplit("seacod.service:", 1)[1].split()[0]) < 3.0


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
    assert len(states) >= 3
    assert all(int(entry["PRIORITY"]) > 3 for entry in states)


def service_state(machine: Machine) -> dict[str, Any]:
    result: dict[str, Any] = json.loads(machine.run("seacod", "status", "--json").stdout)
    return result


def test_a_restart_refuses_no_connection(service: Machine) -> None:
    """The socket is systemd's: whoever connects in between waits a little or is told 503."""
    outcomes: list[object] = []
    over = threading.Event()

    def knock() -> None:
        while not over.is_set():
            try:
                with urllib.request.urlopen(f"{URL}/health", timeout=60) as answer:
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
    service.run("systemctl", "stop", "seacod.service", "seacod.socket")
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


def edited(machine: Machine, change: Callable[[str], str]) -> None:
    """Change the configuration, which must then be different."""
    path = machine.root / "etc/seacod/seacod.yaml"
    old = path.read_text("utf-8")
    new = change(old)
    assert new != old
    path.write_text(new, "utf-8")


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
    written = wait_until(
        lambda: service.run("cat", log).stdout, "lines in the new file after a request"
    )
    assert "transcribed" in written


def test_an_older_installation_is_upgraded_and_keeps_its_configuration(service: Machine) -> None:
    source = service.root / "srv/seacod"
    code = source / "seacod/__init__.py"
    code.write_text(code.read_text().replace('__version__ = "', '__version__ = "9.'))
    shipped = source / "etc/seacod.yaml"
    shipped.write_text(shipped.read_text("utf-8") + "# a new key\n", "utf-8")
    kept = service.run("cat", "/etc/seacod/seacod.yaml").stdout
    old_release = service.run("readlink", "/opt/seacod/venv").stdout

    outcome = service.install()

    assert health()["version"].startswith("9.")
    assert transcribe(service)["text"] == sounds.SPEECH_TEXT
    assert service.run("cat", "/etc/seacod/seacod.yaml").stdout == kept
    assert "# a new key" in service.run("cat", "/etc/seacod/seacod.yaml.new").stdout
    assert "seacod.yaml.new" in outcome.stdout
    # One release back stays, to return to.
    service.run("test", "-e", f"/opt/seacod/{old_release.strip()}")


def test_without_the_real_model_the_built_in_one_is_taken_and_said(service: Machine) -> None:
    service.run("rm", "/etc/seacod/seacod.yaml")
    nowhere = "http://127.0.0.1:9"
    outcome = service.run("/srv/seacod/install.sh", SEACOD_TORCH="cpu", https_proxy=nowhere,
                          HTTPS_PROXY=nowhere, timeout=1200)  # fmt: skip
    said = outcome.stdout + outcome.stderr
    assert "cannot be fetched from ModelScope" in said
    assert "asr.model is builtin" in said
    assert "Traceback" not in said
    assert health()["model"] == "builtin"


def test_uninstall_keeps_what_is_the_operators_and_purge_does_not(service: Machine) -> None:
    service.run("sh", "-c", "echo precious > /var/lib/seacod/result.txt")
    service.install("--uninstall")
    for gone in ("/opt/seacod", "/etc/systemd/system/seacod.service", "/usr/local/bin/seacod",
                 "/etc/systemd/system/seacod.socket", "/etc/logrotate.d/seacod"):  # fmt: skip
        assert service.run("test", "-e", gone, check=False).returncode != 0, gone
    service.run("test", "-s", "/etc/seacod/seacod.yaml")
    service.run("test", "-s", "/var/lib/seacod/result.txt")
    assert not is_serving()

    service.install("--purge")
    for gone in ("/etc/seacod", "/var/lib/seacod", "/var/log/seacod"):
        assert service.run("test", "-e", gone, check=False).returncode != 0, gone
    assert service.run("getent", "passwd", "seacod", check=False).returncode != 0
    left = service.run(
        "sh", "-c", "find /etc /opt /usr/local /var/lib /run -name '*seacod*'"
    ).stdout
    assert left == ""


def test_the_fixture_is_a_real_systemd(machine: Machine) -> None:
    """So that nobody takes a stand-in for it later."""
    assert machine.run("cat", "/proc/1/comm").stdout.strip() == "systemd"
    assert isinstance(machine.run("true"), subprocess.CompletedProcess)
