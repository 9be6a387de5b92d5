"""What systemd does for the service when the supervisor itself fails, and what reload and the unit
promise. Each test leaves the service running."""

from __future__ import annotations

import json
import re
import threading
import time
from typing import Any

import pytest
import sounds
from drills import CLIENTS, FaultsPage, Row
from machine import Machine
from operating import edited, health, is_serving, service_state, transcribe
from supervised import wait_until

from seacod.proving.load import ClientLoad

pytestmark = pytest.mark.timeout(600)
PORT = 7860
DROP_IN = "/run/systemd/system/seacod.service.d/test.conf"
# A supervisor that can be made to hang: on SIGUSR2 its event loop never comes back.
BLOCKABLE = """
import asyncio, ctypes, signal, sys
from seacod.cli.main import main
from seacod.supervisor.daemon import Supervisor
serve = Supervisor._serve
async def serve_until_blocked(self):
    asyncio.get_running_loop().add_signal_handler(
        signal.SIGUSR2, lambda: ctypes.PyDLL(None).sleep(3600))
    await serve(self)
Supervisor._serve = serve_until_blocked
sys.argv = ["seacod", "run"]
main()
"""


def main_pid(machine: Machine) -> int:
    return int(machine.show("MainPID"))


def processes(machine: Machine) -> list[int]:
    """Everything that runs as the service's user."""
    return [int(pid) for pid in machine.run("pgrep", "-u", "seacod", check=False).stdout.split()]


def come_back(machine: Machine, page: FaultsPage, row: Row, fault: Any, was: int) -> None:
    """Inject a fault into the supervisor under load; wait until another one serves."""
    with ClientLoad(
        PORT, clients=CLIENTS, recording=sounds.SPEECH.read_bytes(), pause_after_503_seconds=0.1
    ) as load:
        wait_until(lambda: load.seen["200"] >= CLIENTS, "answers before the fault")
        injected = time.time()
        fault()
        wait_until(lambda: main_pid(machine) not in (0, was), "another supervisor")
        row.detected_seconds = time.time() - injected
        detected = time.time()
        answer = wait_until(lambda: load.first_answer_after(detected), "an answer afterwards")
        row.serving_seconds = answer.ended - injected
    seen = load.seen
    # systemd keeps the socket open all the time.
    assert seen["refused"] == 0, seen
    assert seen["hung"] == 0, seen
    row.lost, row.turned_away = seen["cut"], seen["503"]
    page.rows.append(row)


def test_a_killed_supervisor_takes_its_workers_along_and_comes_back(
    service: Machine, faults_page: FaultsPage
) -> None:
    wait_until(is_serving, "the service")
    was, before = main_pid(service), processes(service)
    assert len(before) >= 2
    row = Row("supervisor SIGKILL (systemd)", "real")
    come_back(service, faults_page, row, lambda: service.run("kill", "-KILL", str(was)), was)
    assert not set(before) & set(processes(service))
    assert transcribe(service)["text"] == sounds.SPEECH_TEXT


def test_a_stopped_supervisor_is_found_by_the_watchdog(
    service: Machine, faults_page: FaultsPage
) -> None:
    wait_until(is_serving, "the service")
    was = main_pid(service)
    row = Row("supervisor SIGSTOP (systemd, WatchdogSec=30)", "real")
    come_back(service, faults_page, row, lambda: service.run("kill", "-STOP", str(was)), was)
    assert "Watchdog timeout" in service.journal("-n", "300")
    assert transcribe(service)["text"] == sounds.SPEECH_TEXT


def test_a_blocked_supervisor_is_found_by_the_watchdog_and_its_stack_is_in_the_journal(
    service: Machine, faults_page: FaultsPage
) -> None:
    python = "/opt/seacod/venv/bin/python"
    service.write("/opt/seacod/blockable.py", BLOCKABLE)
    service.run("mkdir", "-p", DROP_IN.rpartition("/")[0])
    service.write(
        DROP_IN,
        f"[Service]\nWatchdogSec=8\nExecStart=\nExecStart={python} /opt/seacod/blockable.py\n",
    )
    service.run("systemctl", "daemon-reload")
    service.run("systemctl", "restart", "seacod")
    try:
        since = service.run("date", "+%s.%N").stdout.strip()
        was = main_pid(service)
        row = Row("supervisor's event loop blocked (systemd, WatchdogSec=8)", "real")
        come_back(service, faults_page, row, lambda: service.run("kill", "-USR2", str(was)), was)
        said = service.journal(f"--since=@{since}")
        assert "Watchdog timeout" in said
        assert "Fatal Python error: Aborted" in said
        assert "blockable.py" in said
    finally:
        service.run("rm", "-rf", DROP_IN.rpartition("/")[0], "/opt/seacod/blockable.py")
        service.run("systemctl", "daemon-reload")
        service.run("systemctl", "restart", "seacod")
    assert transcribe(service)["text"] == sounds.SPEECH_TEXT


def test_a_restart_drops_no_connection(service: Machine, faults_page: FaultsPage) -> None:
    """What was inside is finished, what comes meanwhile waits in the socket that systemd keeps."""
    wait_until(is_serving, "the service")
    with ClientLoad(
        PORT, clients=CLIENTS, recording=sounds.SPEECH.read_bytes(), pause_after_503_seconds=0.1
    ) as load:
        wait_until(lambda: load.seen["200"] >= CLIENTS, "answers before")
        began = time.time()
        service.run("systemctl", "restart", "seacod")
        answer = wait_until(lambda: load.first_answer_after(time.time() - 0.5), "answers after")
    assert set(load.seen) <= {"200", "503"}, load.seen
    faults_page.rows.append(
        Row("systemctl restart (no fault)", "real", None, answer.ended - began, 0,
            load.seen["503"], "a cold start")
    )  # fmt: skip


def set_queue_length(machine: Machine, length: int) -> None:
    edited(machine, lambda text: re.sub(r"  #?queue_length: .*", f"  queue_length: {length}", text))


def test_reload_says_what_came_of_it(service: Machine) -> None:
    main, worker = main_pid(service), service_state(service)["worker"]["pid"]
    set_queue_length(service, 9)
    told = service.run("seacod", "reload").stdout
    assert told == "limits.queue_length: in use now\n"
    assert health()["queue_length"] == 9
    assert service_state(service)["worker"]["pid"] == worker
    set_queue_length(service, 11)
    service.run("systemctl", "reload", "seacod")
    assert health()["queue_length"] == 11
    assert main_pid(service) == main


def test_a_refused_reload_fails_with_the_reason_and_the_service_goes_on(service: Machine) -> None:
    worker = service_state(service)["worker"]["pid"]
    edited(service, lambda text: text.replace("limits:\n", "limits:\n  queue_lenght: 5\n"))
    try:
        assert service.run("systemctl", "reload", "seacod", check=False).returncode != 0
        told = service.run("seacod", "reload", check=False)
        assert told.returncode == 78
        assert "did you mean limits.queue_length?" in told.stderr
        assert "queue_lenght" in service.journal("-p", "err", "-n", "5")
        assert service.show("ActiveState") == "active"
        # Status answers though the file is broken.
        assert service_state(service)["worker"]["pid"] == worker
    finally:
        edited(service, lambda text: text.replace("  queue_lenght: 5\n", ""))
    service.run("systemctl", "reload", "seacod")


def test_reload_to_other_model_settings_fails_no_request(service: Machine) -> None:
    was = service_state(service)["worker"]["pid"]
    edited(service, lambda text: text.replace("  #cpu_threads: 0\n", "  cpu_threads: 1\n"))
    with ClientLoad(PORT, clients=CLIENTS, recording=sounds.SPEECH.read_bytes()) as load:
        # Returns when the new worker serves.
        service.run("systemctl", "reload", "seacod")
        assert service_state(service)["worker"]["pid"] != was
        wait_until(lambda: service_state(service)["leaving"] == 0, "the old one gone")
    assert load.failed() == {}
    edited(service, lambda text: text.replace("  cpu_threads: 1\n", "  #cpu_threads: 0\n"))
    service.run("systemctl", "reload", "seacod")


def test_status_line_and_watch(service: Machine) -> None:
    wait_until(
        lambda: (service_state(service)["nursery"] or {}).get("state") == "ready", "a nursery"
    )
    wait_until(lambda: "serving" in service.show("StatusText"), "the state in STATUS=")
    # Until it has told it twice, however long that takes here.
    twice = "seacod status --watch 0.5 | grep -m 2 -F 'serving since'"
    assert len(service.run("sh", "-c", twice).stdout.splitlines()) == 2
    twice = "seacod status --json --watch 0.5 | head -n 2"
    lines = service.run("sh", "-c", twice).stdout.splitlines()
    assert [json.loads(line)["state"] for line in lines] == ["serving", "serving"]


def test_the_exposure_is_small_and_secrets_come_as_credentials(service: Machine) -> None:
    exposure = service.run("systemd-analyze", "security", "--no-pager", "seacod.service").stdout
    assert float(exposure.rsplit("seacod.service:", 1)[1].split()[0]) <= 2.0
    service.run("mkdir", "-p", "/etc/credstore")
    service.run("sh", "-c", "umask 077; echo s3cret > /etc/credstore/seacod.smtp-password")
    service.run("systemctl", "restart", "seacod")
    environment = service.run("cat", f"/proc/{main_pid(service)}/environ").stdout.split("\0")
    directory = next(
        line.partition("=")[2] for line in environment if line.startswith("CREDENTIALS_DIRECTORY=")
    )
    assert service.run("cat", f"{directory}/smtp-password").stdout == "s3cret\n"
    service.run("rm", "/etc/credstore/seacod.smtp-password")
    service.run("systemctl", "restart", "seacod")
    assert is_serving()


def test_the_unit_lets_decoders_lock_themselves_in(service: Machine) -> None:
    began = f"--since=@{time.time():.0f}"
    service.run("systemctl", "restart", "seacod")
    assert transcribe(service)["text"] == sounds.SPEECH_TEXT
    said = service.journal(began)
    assert "nursery_started" in said
    assert "decoders_cage_incomplete" not in said


def test_stop_waits_for_running_requests_and_no_longer_than_it_may(service: Machine) -> None:
    answers: list[str] = []
    client = threading.Thread(
        target=lambda: answers.append(transcribe(service)["text"]), name="client"
    )
    client.start()
    wait_until(lambda: service_state(service)["in_flight"] or answers, "a request inside")
    service.run("systemctl", "stop", "seacod")
    client.join()
    assert answers == [sounds.SPEECH_TEXT]
    assert service.show("Result") == "success"
    service.run("systemctl", "start", "seacod")


def test_the_failure_of_a_start_is_in_systemctl_status(service: Machine) -> None:
    edited(service, lambda text: text.replace("limits:\n", "limits:\n  queue_lenght: 5\n"))
    try:
        service.run("systemctl", "restart", "seacod", check=False)
        assert "queue_lenght" in service.show("StatusText")
        assert service.show("ExecMainStatus") == "78"
    finally:
        edited(service, lambda text: text.replace("  queue_lenght: 5\n", ""))
        service.run("systemctl", "start", "seacod")


def test_this_machine_and_the_container_share_a_clock(service: Machine) -> None:
    """The drills subtract times taken on both sides."""
    before = time.time()
    inside = float(service.run("date", "+%s.%N").stdout)
    assert before - 1 < inside < time.time() + 1
