"""Two seacod nodes, each in a network namespace of its own, and HAProxy in front of them."""

from __future__ import annotations

import contextlib
import csv
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import psutil
import pytest
from receivers import certificate
from supervised import PATIENCE_SECONDS, ROOT, Service, fetch, free_port, wait_until

PORT = 7860


def need_namespaces(packages: str, *programs: str) -> None:
    """Skip where nodes cannot have networks of their own.

    Args:
        packages: of Debian, that bring the programs.
        programs: that are called.
    """
    if os.geteuid() != 0:
        pytest.skip("network namespaces need root")
    for program in programs:
        if shutil.which(program) is None:
            pytest.skip(f"{program} is missing: apt-get install {packages}")


class Node(Service):
    """`seacod run` in a namespace `name`, at 10.87.NUMBER.2; reached from here over a veth pair."""

    def __init__(self, directory: Path, number: int) -> None:
        self.name = f"seacod{number}"
        self.address, self.gateway = f"10.87.{number}.2", f"10.87.{number}.1"
        self._outside, self._network = f"seacod-v{number}", f"10.87.{number}.0/24"
        super().__init__(directory)
        self.port, self.metrics_port = PORT, 8000

    @property
    def command(self) -> list[str]:
        return ["ip", "netns", "exec", self.name, *super().command]

    @property
    def url(self) -> str:
        return f"http://{self.address}:{self.port}"

    def set_up(self, **sections: dict[str, Any]) -> None:
        """The settings that `change` comes back to."""
        self._sections = sections
        self.configure(**sections)

    def change(self, **sections: dict[str, Any]) -> None:
        """Others beside them in the running service; without any, those alone again."""
        before = (self.status() or {})["reload"]["number"]
        self.configure(**self._sections, **sections)
        self.signal(signal.SIGHUP)
        wait_until(
            lambda: (self.status() or {})["reload"]["number"] > before, "the settings, taken up"
        )
        assert not (told := (self.status() or {})["reload"])["problem"], told

    def connect(self) -> None:
        """Make the namespace and its wire."""
        inside = f"{self._outside}i"
        ip("netns", "add", self.name)
        ip("link", "add", self._outside, "type", "veth", "peer", "name", inside, "netns", self.name)
        ip("addr", "add", f"{self.gateway}/24", "dev", self._outside)
        ip("link", "set", self._outside, "up")
        ip("-n", self.name, "addr", "add", f"{self.address}/24", "dev", inside)
        ip("-n", self.name, "link", "set", inside, "up")
        ip("-n", self.name, "link", "set", "lo", "up")
        # While its wire is down nobody else may answer at its address, by way of the default route.
        ip("route", "replace", "unreachable", self._network, "metric", "9999")

    def disconnect(self) -> None:
        """Nothing of it is left."""
        with contextlib.suppress(subprocess.CalledProcessError):
            ip("netns", "del", self.name)
        with contextlib.suppress(subprocess.CalledProcessError):
            ip("link", "del", self._outside)
        with contextlib.suppress(subprocess.CalledProcessError):
            ip("route", "del", "unreachable", self._network, "metric", "9999")

    def wire(self, state: str) -> None:
        """Cut it off from the network (`down`), or connect it again (`up`)."""
        ip("link", "set", self._outside, state)

    def asked_inside(self, path: str) -> tuple[int, str]:
        """Status and Retry-After of an answer, asked for in its namespace, whatever is cut."""
        form = "%{http_code} %header{retry-after}"
        url = f"http://127.0.0.1:{self.port}{path}"
        command = [
            "ip",
            "netns",
            "exec",
            self.name,
            "curl",
            "-s",
            "-o",
            os.devnull,
            "-w",
            form,
            url,
        ]
        told = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        status, _, retry = told.partition(" ")
        return int(status), retry

    def everybody(self, number: signal.Signals) -> None:
        """A signal to the supervisor and all it has started."""
        if self.process is None or self.process.poll() is not None:
            return
        for one in [psutil.Process(self.process.pid), *self.descendants()]:
            with contextlib.suppress(psutil.NoSuchProcess):
                one.send_signal(number)


def ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True)


class Balancer(NamedTuple):
    """A running HAProxy: the ports people come in by, without and with TLS, the certificate, and
    the port of its own figures."""

    port: int
    tls: int
    authority: Path
    figures: int

    def state(self, server: str) -> str:
        """UP, DOWN or the like of BACKEND/NODE."""
        told = fetch(f"http://127.0.0.1:{self.figures}/;csv")[2].decode().removeprefix("# ")
        rows = csv.DictReader(told.splitlines())
        return next(r["status"] for r in rows if f"{r['pxname']}/{r['svname']}" == server)


@contextlib.contextmanager
def balanced(directory: Path, nodes: list[Node]) -> Iterator[Balancer]:
    """HAProxy with what `seacod haproxy` prints for these nodes, which it asks."""
    port, tls, figures = free_port(), free_port(), free_port()
    bundle = directory / "asr.example.com.pem"
    made = certificate(directory, "localhost")
    bundle.write_bytes(made.read_bytes())
    encrypted = f"127.0.0.1:{tls}"
    told = subprocess.run(
        [sys.executable, "-m", "seacod", "haproxy", *(f"{n.address}:{PORT}" for n in nodes),
         "--bind", encrypted, "--certificate", str(bundle)],
        capture_output=True, text=True, check=False, env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert told.returncode == 0, told.stderr
    # Without TLS as well, and no syslog.
    text = told.stdout.replace(
        f"    bind {encrypted} ", f"    bind 127.0.0.1:{port}\n    bind {encrypted} "
    )
    text = text.replace(":8404", f":{figures}")
    text = text.replace("log /dev/log local0", "log stdout format raw local0")
    config, log = directory / "haproxy.cfg", directory / "haproxy.log"
    config.write_text(text)
    checked = subprocess.run(["haproxy", "-c", "-f", str(config)], capture_output=True, text=True)
    assert checked.returncode == 0, checked.stderr
    assert "WARN" not in checked.stderr.upper(), checked.stderr
    process = subprocess.Popen(
        ["haproxy", "-db", "-f", str(config)], stdout=log.open("wb"), stderr=subprocess.STDOUT,
        env=os.environ,
    )  # fmt: skip
    try:
        yield Balancer(port, tls, made, figures)
    finally:
        process.terminate()
        process.wait(PATIENCE_SECONDS)
