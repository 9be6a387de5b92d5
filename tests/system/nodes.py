"""Two seacod nodes, each in a network namespace of its own, and HAProxy in front of them."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psutil
from receivers import certificate
from supervised import PATIENCE_SECONDS, ROOT, Service, free_port

PORT = 7860


class Node(Service):
    """`seacod run` in a namespace `name`, at 10.87.NUMBER.2; reached from here over a veth pair."""

    def __init__(self, directory: Path, number: int) -> None:
        self.name = f"seacod{number}"
        self.address, self._gateway = f"10.87.{number}.2", f"10.87.{number}.1"
        self._outside = f"seacod-v{number}"
        super().__init__(directory)
        self.port, self.metrics_port = PORT, 8000

    @property
    def command(self) -> list[str]:
        return ["ip", "netns", "exec", self.name, *super().command]

    @property
    def url(self) -> str:
        return f"http://{self.address}:{self.port}"

    def connect(self) -> None:
        """Make the namespace and its wire."""
        inside = f"{self._outside}i"
        ip("netns", "add", self.name)
        ip("link", "add", self._outside, "type", "veth", "peer", "name", inside, "netns", self.name)
        ip("addr", "add", f"{self._gateway}/24", "dev", self._outside)
        ip("link", "set", self._outside, "up")
        ip("-n", self.name, "addr", "add", f"{self.address}/24", "dev", inside)
        ip("-n", self.name, "link", "set", inside, "up")
        ip("-n", self.name, "link", "set", "lo", "up")

    def disconnect(self) -> None:
        """Nothing of it is left."""
        with contextlib.suppress(subprocess.CalledProcessError):
            ip("netns", "del", self.name)
        with contextlib.suppress(subprocess.CalledProcessError):
            ip("link", "del", self._outside)

    def wire(self, state: str) -> None:
        """Cut it off from the network (`down`), or connect it again (`up`)."""
        ip("link", "set", self._outside, state)

    def everybody(self, number: signal.Signals) -> None:
        """A signal to the supervisor and all it has started."""
        assert self.process is not None
        for one in [psutil.Process(self.process.pid), *self.descendants()]:
            with contextlib.suppress(psutil.NoSuchProcess):
                one.send_signal(number)


def ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True)


@contextlib.contextmanager
def balanced(directory: Path, nodes: list[Node]) -> Iterator[tuple[int, int, Path]]:
    """The shipped configuration with these nodes; the ports people come in by, without and with
    TLS, and the certificate."""
    port, tls, figures = free_port(), free_port(), free_port()
    bundle = directory / "asr.example.com.pem"
    made = certificate(directory, "localhost")
    bundle.write_bytes(made.read_bytes())
    text = (ROOT / "etc/haproxy/haproxy.cfg").read_text("utf-8")
    for number, node in enumerate(nodes, 1):
        text = text.replace(
            f"node{number} 127.0.0.1:{7859 + number}", f"node{number} {node.address}:{PORT}"
        )
    text = text.replace("bind :7800", f"bind 127.0.0.1:{port}").replace(":8404", f":{figures}")
    # The line for TLS, as somebody who has a certificate would change it.
    encrypted = f"bind 127.0.0.1:{tls} ssl crt {bundle} alpn"
    assert "# bind :443 ssl crt /etc/haproxy/asr.example.com.pem alpn" in text
    text = text.replace("# bind :443 ssl crt /etc/haproxy/asr.example.com.pem alpn", encrypted)
    # There is no syslog here.
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
        yield port, tls, made
    finally:
        process.terminate()
        process.wait(PATIENCE_SECONDS)
