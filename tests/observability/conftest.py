"""A running seacod with everything it can show, and Debian's Prometheus and Alertmanager that look
at it: real ones, on free ports."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gpus
import pytest
import yaml
from gpus import Driver
from prometheus_client import start_http_server
from receivers import Robot
from supervised import PATIENCE_SECONDS, ROOT, Faulty, Service, free_port, wait_until

from seacod.archive.progress import ArchiveProgress, registry

# The shipped configuration asks every 5 s and rates over minutes; a test has less time. No scrape
# may take longer than this, and where others have the cores it may take a second.
INTERVAL = "2s"


class Prometheus:
    """One that scrapes `service`, with the shipped rules and no waiting (`for`)."""

    def __init__(
        self, directory: Path, service: Service, archive_port: int = 1, interval: str = INTERVAL
    ) -> None:
        directory.mkdir()
        self.port, self.alertmanager_port = free_port(), free_port()
        rules = yaml.safe_load((ROOT / "etc/prometheus/rules.yml").read_text("utf-8"))
        for group in rules["groups"]:
            for rule in group["rules"]:
                rule.pop("for", None)
        (directory / "rules.yml").write_text(yaml.safe_dump(rules))
        config = yaml.safe_load((ROOT / "etc/prometheus/prometheus.yml").read_text("utf-8"))
        config["global"] = {"scrape_interval": interval, "evaluation_interval": interval}
        config["scrape_configs"][0]["scrape_timeout"] = INTERVAL
        nodes = yaml.safe_load((ROOT / "etc/prometheus/seacod-nodes.yml").read_text("utf-8"))
        nodes[0]["targets"] = [f"127.0.0.1:{service.metrics_port}"]
        (directory / "seacod-nodes.yml").write_text(yaml.safe_dump(nodes))
        archives = [{"targets": [f"127.0.0.1:{archive_port}"]}]
        (directory / "seacod-archives.yml").write_text(yaml.safe_dump(archives))
        config["alerting"]["alertmanagers"][0]["static_configs"][0]["targets"] = [
            f"127.0.0.1:{self.alertmanager_port}"
        ]
        (directory / "prometheus.yml").write_text(yaml.safe_dump(config))
        self.process = self._start(
            directory, "prometheus",
            f"--config.file={directory}/prometheus.yml",
            f"--storage.tsdb.path={directory}/data",
            f"--web.listen-address=127.0.0.1:{self.port}",
        )  # fmt: skip

    def _start(self, directory: Path, program: str, *arguments: str) -> subprocess.Popen[bytes]:
        found = shutil.which(program)
        assert found, f"{program} is missing: apt-get install {program}"
        return subprocess.Popen(
            [found, *arguments],
            stdout=(directory / f"{program}.log").open("wb"),
            stderr=subprocess.STDOUT,
        )

    def start_alertmanager(self, directory: Path, robot: Robot) -> None:
        """With the shipped routes, and every receiver a webhook of ours."""
        config = yaml.safe_load((ROOT / "etc/alertmanager/alertmanager.yml").read_text("utf-8"))
        config["global"] = {"resolve_timeout": "10s"}
        config["route"] |= {"group_wait": "0s", "group_interval": "1s"}
        for receiver in config["receivers"]:
            name = receiver["name"]
            receiver.clear()
            receiver |= {
                "name": name,
                "webhook_configs": [
                    {"url": robot.url.replace("/robot", f"/{name}"), "send_resolved": True}
                ],
            }
        (directory / "alertmanager.yml").write_text(yaml.safe_dump(config))
        self.alertmanager = self._start(
            directory, "prometheus-alertmanager",
            f"--config.file={directory}/alertmanager.yml",
            f"--storage.path={directory}/alertmanager",
            f"--web.listen-address=127.0.0.1:{self.alertmanager_port}",
            "--cluster.listen-address=",
        )  # fmt: skip

    def ask(self, path: str, **parameters: str) -> Any:
        """The API's data.

        Raises:
            AssertionError: it refuses, with why.
        """
        url = f"http://127.0.0.1:{self.port}/api/v1/{path}?{urllib.parse.urlencode(parameters)}"
        try:
            with urllib.request.urlopen(url, timeout=PATIENCE_SECONDS) as answer:
                body = json.load(answer)
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{parameters}: {error.read().decode()}") from None
        assert body["status"] == "success", body
        return body["data"]

    def series(self, query: str, seconds: float = 90) -> list[dict[str, Any]]:
        """What a panel would draw of the last while."""
        now = time.time()
        result: list[dict[str, Any]] = self.ask(
            "query_range", query=query, start=str(now - seconds), end=str(now), step="2"
        )["result"]
        return result

    def value(self, query: str) -> float | None:
        """A single value now."""
        result = self.ask("query", query=query)["result"]
        return float(result[0]["value"][1]) if result else None

    def firing(self) -> set[str]:
        alerts = self.ask("alerts")["alerts"]
        return {a["labels"]["alertname"] for a in alerts if a["state"] == "firing"}

    def stop(self) -> None:
        for process in (self.process, getattr(self, "alertmanager", None)):
            if process is not None:
                process.kill()
                process.wait()


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The fake NVIDIA driver of tests/gpu."""
    return gpus.build(tmp_path_factory.mktemp("nvml"))


@pytest.fixture(scope="module")
def seen_robot() -> Iterator[Robot]:
    one = Robot()
    yield one
    one.stop()


@pytest.fixture(scope="module")
def shown(
    tmp_path_factory: pytest.TempPathFactory, library: Path, seen_robot: Robot
) -> Iterator[Faulty]:
    """With a (fake) GPU, a (fake) systemd that wants to hear a watchdog, and a webhook."""
    directory = tmp_path_factory.mktemp("shown")
    service = Faulty(directory)
    driver = Driver(directory / "nvml.txt", library)
    driver.tell(used_mib=3000, processes={1: 500})
    address = directory / "webhook"
    address.write_text(seen_robot.url)
    address.chmod(0o600)
    systemd = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    systemd.bind(str(directory / "notify"))
    threading.Thread(target=_hear, args=(systemd,), name="systemd", daemon=True).start()
    service.environment |= {
        **driver.environment,
        "NOTIFY_SOCKET": str(directory / "notify"),
        "WATCHDOG_USEC": "30000000",
    }
    service.configure(
        limits={"queue_length": 2, "concurrent_requests": 2},
        gpu={"interval_seconds": 1},
        alerts={"webhook_url_file": str(address), "gather_seconds": 0.1},
        log={"format": "json", "file": str(directory / "seacod.log")},
    )
    with service.running():
        yield service


def _hear(systemd: socket.socket) -> None:
    while True:
        systemd.recv(4096)


@pytest.fixture(scope="module")
def prometheus(
    tmp_path_factory: pytest.TempPathFactory, shown: Service, seen_robot: Robot
) -> Iterator[Prometheus]:
    directory = tmp_path_factory.mktemp("observed")
    # An archive that two nodes are at, which only the dashboard's last row is about.
    progress = ArchiveProgress(100, 100)
    for node in ("one", "two"):
        progress.joined(node)
        progress.over("done", 1, node=node, audio_seconds=60.0)
    archive_port = free_port()
    page, thread = start_http_server(archive_port, registry=registry(progress))
    one = Prometheus(directory / "prometheus", shown, archive_port)
    one.start_alertmanager(directory / "prometheus", seen_robot)
    try:
        wait_until(lambda: _is_up(one), "Prometheus with a target")
        yield one
    finally:
        one.stop()
        page.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def usual_prometheus(
    tmp_path_factory: pytest.TempPathFactory, shown: Service
) -> Iterator[Prometheus]:
    """One that looks as often as the shipped configuration says."""
    one = Prometheus(tmp_path_factory.mktemp("usual") / "prometheus", shown, interval="5s")
    yield one
    one.stop()


def _is_up(one: Prometheus) -> bool:
    try:
        return one.value('up{job="seacod"}') == 1
    except (OSError, AssertionError):
        return False
