"""Where an installed service listens: what a start, a restart, a crash, a stop and an upgrade do to
whoever connects, on systemd's own file descriptor store. Each test leaves the service running."""

from __future__ import annotations

import json
import re

import pytest
import sounds
from documented import blocks
from knocking import Knocking, is_refused
from machine import Machine
from operating import edited, is_serving, transcribe
from supervised import fetch, wait_until

pytestmark = pytest.mark.timeout(600)
PORT = 7860
UNITS = "/etc/systemd/system"
# As 0.1.0 installed it.
OLD_SOCKET = """[Unit]
Description=seacod, the socket of page and API

[Socket]
ListenStream=0.0.0.0:7860
FileDescriptorName=http
Backlog=4096
NoDelay=yes

[Install]
WantedBy=sockets.target"""


def test_nobody_is_refused_by_restarts_and_crashes(service: Machine) -> None:
    wait_until(is_serving, "the service")
    with Knocking(PORT) as knocking:
        service.run("systemctl", "restart", "seacod")
        service.run("systemctl", "kill", "-s", "KILL", "--kill-whom=all", "seacod")
        wait_until(is_serving, "the service after the kill")
        service.run("systemctl", "daemon-reexec")
        service.run("systemctl", "restart", "seacod")
    assert knocking.refused == 0
    assert knocking.let_in > 100
    assert transcribe(service)["text"] == sounds.SPEECH_TEXT


def test_a_stopped_service_stays_stopped_whoever_polls(service: Machine) -> None:
    wait_until(is_serving, "the service")
    with Knocking(PORT) as knocking:
        service.run("systemctl", "stop", "seacod")
        then = knocking.let_in
        wait_until(lambda: knocking.refused > 100, "refusals")
    # One may have been between its connection and the count.
    assert knocking.let_in <= then + 1
    assert service.show("ActiveState") == "inactive"
    service.run("systemctl", "start", "seacod")
    assert transcribe(service)["text"] == sounds.SPEECH_TEXT


def documented(language: str, words: str) -> str:
    (text,) = [
        one.text
        for one in blocks(language)
        if one.document.name == "install.md" and words in one.text
    ]
    return text


def test_the_addresses_of_the_document_are_served(service: Machine) -> None:
    (listen,) = re.findall(r"^  listen: .*$", documented("yaml", "listen:"), re.MULTILINE)
    kept = (service.root / "etc/seacod/seacod.yaml").read_text("utf-8")
    edited(service, lambda text: re.sub(r"^server:\n", f"server:\n{listen}\n", text, flags=re.M))
    try:
        service.run("systemctl", "restart", "seacod")
        for url in ("http://127.0.0.1:8080", "http://[::1]:8080"):
            assert fetch(f"{url}/health/ready")[0] == 200
        unix = service.run(
            "curl", "-fsS", "--unix-socket", "/run/seacod/http.sock", "http://x/health/ready"
        )
        assert '"ok"' in unix.stdout
        assert is_refused(PORT), "the address before is still there"
        said = service.run("seacod", "check", "address", "ports").stdout
        for one in ("127.0.0.1:8080", "[::1]:8080", "/run/seacod/http.sock"):
            assert one in said
            assert one in service.run("seacod", "status").stdout
        assert "2 ok" in said
        # The path outlives a restart, too: asked through the machine's own file system.
        asking = (
            "for n in $(seq 200); do curl -sS -o /dev/null --unix-socket /run/seacod/http.sock "
            "http://x/health || exit 1; sleep 0.02; done"
        )
        service.run("sh", "-c", f"({asking}) >/tmp/asked 2>&1 & echo $! >/tmp/asking")
        service.run("systemctl", "restart", "seacod")
        wait_until(
            lambda: service.run("sh", "-c", "kill -0 $(cat /tmp/asking)", check=False).returncode,
            "the end of the asking",
        )
        assert service.run("cat", "/tmp/asked").stdout == ""
    finally:
        (service.root / "etc/seacod/seacod.yaml").write_text(kept, "utf-8")
        service.run("systemctl", "restart", "seacod")
    wait_until(is_serving, "the service where it was")


def test_all_sockets_of_an_operators_own_unit_are_served(service: Machine) -> None:
    service.write(f"{UNITS}/seacod.socket", documented("ini", "[Socket]"))
    service.run("systemctl", "daemon-reload")
    service.run("systemctl", "stop", "seacod")
    service.run("systemctl", "enable", "-q", "--now", "seacod.socket")
    kept = (service.root / "etc/seacod/seacod.yaml").read_text("utf-8")
    # One probe at a wrong place would end the worker, and they come all the time.
    probes = (
        "supervisor:\n  probe_interval_seconds: 0.1\n  probe_timeout_seconds: 60\n"
        "  probe_failures: 1\n"
    )
    edited(service, lambda text: re.sub(r"^supervisor:\n", probes, text, flags=re.M))
    try:
        service.run("systemctl", "start", "seacod")
        worker = json.loads(service.run("seacod", "status", "--json").stdout)["worker"]["pid"]
        for where in ("http://[::1]:7861", "http://127.0.0.1:7862"):
            assert fetch(f"{where}/health/ready")[0] == 200
        service.run("curl", "-fsS", "--unix-socket", "/run/seacod.sock", "http://x/health/ready")
        assert is_refused(PORT)
        said = service.run("seacod", "check", "service", "address", "ports", check=False).stdout
        # To everybody, which is said; nothing is wrong.
        assert "2 ok, 1 warn, 0 fail" in said
        assert "everybody who reaches port 7861 may use it" in said
        # It is probed where it listens, so it is left alone.
        told = json.loads(service.run("seacod", "status", "--json").stdout)
        assert told["worker"]["pid"] == worker
    finally:
        service.run("systemctl", "stop", "seacod.socket", "seacod.service")
        service.run("systemctl", "disable", "-q", "seacod.socket")
        service.run("rm", "-f", f"{UNITS}/seacod.socket", "/run/seacod.sock")
        service.run("systemctl", "daemon-reload")
        (service.root / "etc/seacod/seacod.yaml").write_text(kept, "utf-8")
        service.run("systemctl", "start", "seacod")
    wait_until(is_serving, "the service where it was")


@pytest.fixture
def as_before(service: Machine) -> Machine:
    """Installed as 0.1.0 was: with a socket unit, which the service needs, and without a store."""
    unit = (service.root / f"{UNITS[1:]}/seacod.service").read_text()
    old = re.sub(r"^(FileDescriptorStoreMax|RuntimeDirectoryPreserve)=.*\n", "", unit, flags=re.M)
    old = old.replace("[Service]", "[Service]\n# As it was.", 1)
    old = old.replace("StartLimit", "Requires=seacod.socket\nAfter=seacod.socket\nStartLimit", 1)
    service.run("systemctl", "stop", "seacod")
    service.write(f"{UNITS}/seacod.service", old)
    service.write(f"{UNITS}/seacod.socket", OLD_SOCKET)
    service.run("sh", "-c", f"echo {UNITS}/seacod.socket >>/opt/seacod/installed-files")
    service.run("systemctl", "daemon-reload")
    service.run("systemctl", "enable", "-q", "seacod.socket")
    service.run("systemctl", "start", "seacod.socket", "seacod.service")
    assert service.show("ActiveState", "seacod.socket") == "active"
    return service


def test_an_upgrade_takes_the_socket_over_and_refuses_nobody(as_before: Machine) -> None:
    with Knocking(PORT) as knocking:
        said = as_before.install().stdout
        wait_until(is_serving, "the new release")
        as_before.run("systemctl", "restart", "seacod")
    assert knocking.refused == 0
    assert knocking.let_in > 100
    assert "server.listen (host, port)" in said
    assert as_before.run("test", "-e", f"{UNITS}/seacod.socket", check=False).returncode != 0
    assert as_before.show("LoadState", "seacod.socket") == "not-found"
    as_before.run("systemctl", "stop", "seacod")
    assert is_refused(PORT)
    as_before.run("systemctl", "start", "seacod")
    assert "Nothing changed" in as_before.install().stdout


def test_a_socket_unit_that_the_operator_has_changed_stays(as_before: Machine) -> None:
    drop_in = f"{UNITS}/seacod.socket.d"
    as_before.run("mkdir", "-p", drop_in)
    as_before.write(f"{drop_in}/override.conf", "[Socket]\nListenStream=\nListenStream=7870")
    as_before.run("systemctl", "daemon-reload")
    as_before.run("systemctl", "restart", "seacod.socket", "seacod.service")
    try:
        assert "was changed here and stays" in as_before.install().stdout
        assert not is_refused(7870)
        assert is_refused(PORT)
        assert as_before.show("ActiveState", "seacod.socket") == "active"
    finally:
        as_before.run("systemctl", "stop", "seacod.socket", "seacod.service")
        as_before.run("systemctl", "disable", "-q", "seacod.socket")
        as_before.run("rm", "-rf", drop_in, f"{UNITS}/seacod.socket")
        as_before.run("systemctl", "daemon-reload")
        as_before.run("systemctl", "start", "seacod")
    wait_until(is_serving, "the service where it was")
