"""`seacod drill`: each drill does what it says on a running service, tells what it cost, and leaves
everything as it was, also when it is ended in the middle."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import typed
from receivers import PASSWORD, USER, MailServer
from supervised import PATIENCE_SECONDS, ROOT, Service, StandIn, wait_until

MIB = 1 << 20
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT), "LANG": "C.UTF-8"}


def command(service: Service, *arguments: str) -> list[str]:
    return [sys.executable, "-m", "seacod", "drill", *arguments, "--config", str(service.config)]


def drill(service: Service, *arguments: str) -> subprocess.CompletedProcess[str]:
    done = typed.seacod("drill", *arguments, "--config", service.config)
    assert "Traceback" not in done.stderr, done.stderr
    return done


def result(service: Service, name: str) -> dict[str, Any]:
    done = drill(service, name, "--yes", "--json")
    assert done.returncode == 0, done.stderr
    told: dict[str, Any] = json.loads(done.stdout)
    assert told["drill"] == name
    assert told["detected_seconds"] > 0
    return told


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """The real worker."""
    one = Service(tmp_path_factory.mktemp("drilled"))
    with one.running():
        yield one


@pytest.fixture
def service(running: Service) -> Service:
    running.wait_for_state("serving")
    running.nursery()
    return running


def reconfigured(service: Service, **sections: dict[str, Any]) -> None:
    """With these settings, which take effect at once."""
    before = len(service.events("configuration_reloaded"))
    service.configure(**sections)
    service.signal(signal.SIGHUP)
    wait_until(lambda: len(service.events("configuration_reloaded")) > before, "the settings")


@pytest.fixture
def quick(tmp_path: Path) -> Iterator[StandIn]:
    one = StandIn(tmp_path / "service")
    yield one
    one.kill()


def test_the_list_names_every_drill() -> None:
    from seacod.proving.drills.catalogue import DRILLS

    told = typed.seacod("drill", "--list").stdout
    assert [line.split()[0] for line in told.splitlines()] == list(DRILLS)


def test_nobody_is_drilled_by_mistake(quick: StandIn) -> None:
    quick.start()
    worker = quick.worker_pid()
    done = drill(quick, "kill-worker")
    assert done.returncode == 64
    assert "on a staging service say so with --yes" in done.stderr
    assert drill(quick, "set-fire").returncode == 1
    assert "there is no such drill; there are: kill-worker" in drill(quick, "set-fire").stderr
    assert quick.worker_pid() == worker


def test_the_worker_is_killed(service: Service) -> None:
    worker = service.worker_pid()
    done = drill(service, "kill-worker", "--yes")
    assert done.returncode == 0, done.stderr
    assert service.worker_pid() != worker
    for words in ("detected after", "serving again after", "lost", "turned away"):
        assert words in done.stdout
    ends = service.events("worker_exited")
    assert ends[-1]["worker_pid"] == worker
    assert "SIGKILL" in ends[-1]["cause"]


@pytest.mark.full
def test_the_worker_hangs(service: Service) -> None:
    worker = service.worker_pid()
    reconfigured(service, supervisor={"beat_timeout_seconds": 3})
    told = result(service, "hang-worker")
    # Again and again: what it sends is none of the recordings that were there when workers ended,
    # which are refused after the second time.
    for _ in range(2):
        assert result(service, "hang-worker")["serving_seconds"] > 0
    reconfigured(service)
    assert service.worker_pid() != worker
    assert told["lost"] <= 2
    assert worker in [one["worker_pid"] for one in service.events("worker_hung")]
    assert service.events("recording_suspected")
    assert not [one for one in service.events("alert_raised") if one["kind"] == "poison"]


def test_a_drill_that_is_ended_lets_the_worker_go_on(service: Service) -> None:
    worker = service.worker_pid()
    process = subprocess.Popen(
        command(service, "hang-worker", "--yes"), env=ENVIRONMENT, stderr=subprocess.DEVNULL
    )
    wait_until(
        lambda: psutil.Process(worker).status() == psutil.STATUS_STOPPED, "a worker that is stopped"
    )
    process.send_signal(signal.SIGTERM)
    assert process.wait(PATIENCE_SECONDS) == 130
    assert psutil.Process(worker).status() != psutil.STATUS_STOPPED
    assert service.worker_pid() == worker


def test_nobody_would_start_the_supervisor_again(service: Service) -> None:
    done = drill(service, "kill-supervisor", "--yes")
    assert done.returncode == 1
    assert "nobody would start it again" in done.stderr
    assert service.status() is not None


@pytest.mark.full
def test_the_disk_of_the_uploads_is_full(tmp_path: Path, small_disk: Path) -> None:
    one = Service(tmp_path / "service")
    one.configure(
        paths={"state_directory": str(small_disk)},
        storage={"free_refuse_bytes": 4 * MIB, "free_warn_bytes": 0},
    )
    with one.running():
        free = os.statvfs(small_disk).f_bavail
        told = result(one, "fill-temp")
        assert told["lost"] == 0
        assert "the first upload was refused (507)" in told["remark"]
        assert os.statvfs(small_disk).f_bavail >= free * 0.9
        assert one.events("disk_full")


@pytest.fixture
def mailed(quick: StandIn, mail_server: MailServer, authority: Path, tmp_path: Path) -> StandIn:
    """Running, with a mail server."""
    password = tmp_path / "password"
    password.write_text(PASSWORD)
    password.chmod(0o600)
    quick.alerts = {
        "language": "en", "mail_server": "localhost", "mail_port": mail_server.port,
        "mail_ca_file": str(authority), "mail_user": USER, "mail_password_file": str(password),
        "mail_from": "a@example.org", "mail_to": "b@example.org", "gather_seconds": 0,
    }  # fmt: skip
    quick.configure(alerts=quick.alerts)
    quick.start()
    return quick


def test_the_mail_server_is_down(mailed: StandIn, mail_server: MailServer) -> None:
    before = mailed.config.read_bytes()
    told = result(mailed, "mail-down")
    assert (told["lost"], told["serving_seconds"]) == (0, None)
    assert mailed.config.read_bytes() == before
    assert "configuration was refused" in mail_server.subjects()[0]
    plain = mail_server.mails[0].get_body(("plain",))
    assert plain is not None
    assert "this_is_a_drill" in plain.get_content()
    refused = mailed.events("alert_not_delivered")
    assert "refused" in refused[0]["answer"] or "Connect" in refused[0]["answer"]
    # The settings of before are those in use.
    assert mailed.events("alert_delivered")


@pytest.mark.parametrize(
    "number", [pytest.param(signal.SIGTERM, marks=pytest.mark.full), signal.SIGKILL]
)
def test_a_drill_that_is_ended_leaves_the_settings_as_they_were(
    mailed: StandIn, number: signal.Signals
) -> None:
    # It waits for a try to send: so long its middle lasts, whenever this test looks.
    reconfigured(mailed, alerts={**mailed.alerts, "gather_seconds": 600})
    before = mailed.config.read_bytes()
    process = subprocess.Popen(
        command(mailed, "mail-down", "--yes"), env=ENVIRONMENT, stderr=subprocess.DEVNULL
    )
    wait_until(lambda: mailed.config.read_bytes() != before, "settings without a mail server")
    process.send_signal(number)
    process.wait(PATIENCE_SECONDS)
    if number == signal.SIGKILL:
        assert mailed.config.read_bytes() != before
        # The next drill, whatever it is, puts that right first.
        done = drill(mailed, "kill-supervisor", "--yes")
        assert "they are put back" in done.stderr
    assert mailed.config.read_bytes() == before
    assert not list(mailed.directory.glob("*.before-drill"))


def test_without_a_mail_server_there_is_nothing_to_see(quick: StandIn) -> None:
    quick.start()
    done = drill(quick, "mail-down", "--yes")
    assert done.returncode == 1
    assert "alerts.mail_server is not set" in done.stderr


def test_no_service(tmp_path: Path) -> None:
    one = Service(tmp_path / "none")
    done = subprocess.run(
        command(one, "kill-worker", "--yes"), capture_output=True, text=True, check=False,
        env={**ENVIRONMENT, "XDG_RUNTIME_DIR": str(tmp_path)},
    )  # fmt: skip
    assert done.returncode == 69
    assert "no seacod service answers" in done.stderr
