"""Where the service listens: several addresses, sockets of units, and what outlives a life of it.

systemd is played by this test: it hands descriptors over as systemd does, and keeps what it gets.
tests/system has the real one.
"""

from __future__ import annotations

import array
import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from knocking import Knocking
from supervised import ROOT, StandIn, fetch, free_port, wait_until

from seacod.client import NEVER, Client

# As systemd does it: sockets from descriptor 3 on, LISTEN_PID is the supervisor's own pid.
HAND_OVER = """
import fcntl, os, sys
numbers = [int(one) for one in sys.argv[1].split(",") if one]
# Above where they are to be, so that none is in the way of another.
high = [fcntl.fcntl(one, fcntl.F_DUPFD, 100) for one in numbers]
for number, one in enumerate(high):
    os.dup2(one, 3 + number)
    os.close(one)
os.environ |= {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": str(len(high)),
               "LISTEN_FDNAMES": sys.argv[2]}
os.execv(sys.executable, [sys.executable, *sys.argv[3:]])
"""


class Systemd:
    """The store of a unit: what was sent to NOTIFY_SOCKET with FDSTORE=1, by name."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(path))
        self.store: dict[str, int] = {}
        self.lines: list[str] = []
        self._thread = threading.Thread(target=self._listen, name="systemd")
        self._thread.start()

    def _listen(self) -> None:
        while True:
            text, ancillary, _, _ = self._socket.recvmsg(65536, socket.CMSG_LEN(4 * 4))
            if text == b"over":
                return
            lines = text.decode().splitlines()
            self.lines += lines
            name = next((one[7:] for one in lines if one.startswith("FDNAME=")), "")
            descriptors = array.array("i")
            for _, _, data in ancillary:
                descriptors.frombytes(data)
            if "FDSTORE=1" in lines:
                (self.store[name],) = descriptors
            elif "FDSTOREREMOVE=1" in lines:
                os.close(self.store.pop(name))

    def stop(self) -> None:
        """The unit is stopped: the store is emptied."""
        for name in list(self.store):
            os.close(self.store.pop(name))

    def close(self) -> None:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as last:
            last.sendto(b"over", str(self.path))
        self._thread.join()
        self.stop()
        self._socket.close()

    def start(self, service: StandIn, **units: socket.socket) -> None:
        """Start the unit's process, with the sockets of units and of the store."""
        given = {**{n: one.fileno() for n, one in units.items()}, **self.store}
        service.environment["NOTIFY_SOCKET"] = str(self.path)
        service.process = subprocess.Popen(
            [sys.executable, "-c", HAND_OVER, ",".join(map(str, given.values())), ":".join(given),
             *service.command[1:]],
            pass_fds=tuple(given.values()),
            stdout=service.log_file.open("ab"),
            stderr=subprocess.STDOUT,
            env={**os.environ, "PYTHONPATH": str(ROOT), **service.environment},
        )  # fmt: skip
        service.wait_for_state("serving")


@pytest.fixture
def systemd(tmp_path: Path) -> Iterator[Systemd]:
    with contextlib.closing(Systemd(tmp_path / "notify")) as one:
        yield one


def addresses(service: StandIn) -> dict[str, list[str]]:
    status = service.status()
    assert status is not None
    told: dict[str, list[str]] = {}
    for one in status["listening"]:
        told.setdefault(one["serves"], []).append(one["address"])
    return told


def test_several_addresses_of_both_families_and_unix_are_served(
    service: StandIn, tmp_path: Path
) -> None:
    port, path = service.port, tmp_path / "http.sock"
    service.configure(server={"listen": f"127.0.0.1:{port} [::1]:{port} {path}"})
    service.start()
    for url in (f"http://127.0.0.1:{port}", f"http://[::1]:{port}"):
        assert fetch(url)[0] == 200
    with Client(f"unix:{path}", retry=NEVER) as client:
        assert b"pid" in client.get("/")
    told = addresses(service)
    assert told["http"] == [f"127.0.0.1:{port}", f"[::1]:{port}", str(path)]
    assert service.stop() == 0
    assert not path.exists()


@pytest.mark.parametrize("listen", ["[::]:{port}", "{path}"])
def test_a_worker_is_probed_where_it_is_and_not_killed(
    service: StandIn, tmp_path: Path, listen: str
) -> None:
    """On IPv6 alone, on a unix socket alone."""
    path = tmp_path / "http.sock"
    text = listen.format(port=service.port, path=path)
    beside = f" 127.0.0.2:{service.port}" if "::" in text else ""
    service.configure(
        server={"listen": text + beside},
        supervisor={
            "probe_interval_seconds": 0.05, "probe_timeout_seconds": 60, "probe_failures": 1
        },
    )  # fmt: skip
    service.start()
    pid = service.worker_pid()
    url = f"unix:{path}" if text == str(path) else f"http://[::1]:{service.port}"
    with Client(url, retry=NEVER) as client:
        for _ in range(20):
            assert b"pid" in client.get("/")
    assert service.worker_pid() == pid
    assert not service.events("probe_failed")
    # A path that somebody has removed says nothing of the worker.
    if text == str(path):
        path.unlink()
        wait_until(lambda: service.events("probe_not_sent"), "a probe that found no way")
        assert service.worker_pid() == pid
    assert not service.events("worker_exited")


def test_a_worker_that_is_deaf_is_found_on_a_unix_socket_too(
    service: StandIn, tmp_path: Path
) -> None:
    service.configure(
        server={"listen": str(tmp_path / "http.sock")},
        supervisor={"probe_interval_seconds": 0.05, "probe_timeout_seconds": 0.5},
    )
    service.plan(deaf=True, times=1)
    service.start(wait=False)
    (ended,) = wait_until(lambda: service.events("worker_exited"), "the end of the deaf one")
    assert ended["cause"] == "hung: no answer over HTTP"


def listening(family: socket.AddressFamily, where: Any, *, is_ipv6_only: bool = False) -> Any:
    one = socket.socket(family)
    if family == socket.AF_INET6:
        one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, is_ipv6_only)
    one.bind(where)
    one.listen()
    return one


def test_all_sockets_of_an_operators_unit_are_served(
    service: StandIn, systemd: Systemd, tmp_path: Path
) -> None:
    """The first of them handed in as 02-seacod.socket-ipv6only.conf."""
    path = tmp_path / "unit.sock"
    service.configure(
        supervisor={
            "probe_interval_seconds": 0.05, "probe_timeout_seconds": 60, "probe_failures": 1
        }
    )  # fmt: skip
    with (
        listening(socket.AF_INET6, ("::", 0), is_ipv6_only=True) as first,
        listening(socket.AF_INET, ("127.0.0.1", 0)) as second,
        listening(socket.AF_UNIX, str(path)) as third,
    ):
        systemd.start(service, first=first, second=second, third=third)
        pid = service.worker_pid()
        v6, v4 = first.getsockname()[1], second.getsockname()[1]
        for url in (f"http://[::1]:{v6}", f"http://127.0.0.1:{v4}", f"unix:{path}"):
            with Client(url, retry=NEVER) as client:
                assert b"pid" in client.get("/")
        assert addresses(service)["http"] == [f"[::]:{v6}", f"127.0.0.1:{v4}", str(path)]
        # What the settings say is not opened besides.
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", service.port))
        assert service.events("server_address_ignored")
        assert service.worker_pid() == pid
        assert service.stop() == 0


def test_nobody_is_refused_by_a_restart_and_by_a_kill_and_everybody_after_a_stop(
    service: StandIn, systemd: Systemd
) -> None:
    systemd.start(service)
    assert {name.split(".")[1] for name in systemd.store} == {"http", "metrics"}
    with Knocking(service.port) as knocking:
        assert service.stop() == 0
        systemd.start(service)
        service.kill()
        systemd.start(service)
        wait_until(lambda: knocking.let_in > 20, "knocks")
    assert knocking.refused == 0
    assert service.get()[0] == 200
    assert fetch(service.metrics_url)[0] == 200
    assert service.stop() == 0
    systemd.stop()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", service.port))


def test_an_address_that_changed_is_changed_by_a_restart(
    service: StandIn, systemd: Systemd
) -> None:
    systemd.start(service)
    before, service.port = service.port, free_port()
    service.configure()
    assert service.stop() == 0
    systemd.start(service)
    assert service.get()[0] == 200
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", before))
    wait_until(lambda: len(systemd.store) == 2, "a store without the old one")


def test_the_socket_unit_of_an_earlier_release_goes_and_nobody_is_refused(
    service: StandIn, systemd: Systemd
) -> None:
    unit = listening(socket.AF_INET, ("127.0.0.1", service.port))
    systemd.start(service, http=unit)
    with Knocking(service.port) as knocking:
        # systemctl disable --now seacod.socket, and the next restart.
        unit.close()
        assert service.stop() == 0
        systemd.start(service)
        wait_until(lambda: knocking.let_in > 20, "knocks")
    assert knocking.refused == 0
    assert service.get()[0] == 200
    service.signal(signal.SIGTERM)
