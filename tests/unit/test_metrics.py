"""The worker's counters outlive it and are there before it; its gauges are not."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from prometheus_client import generate_latest

import seacod
from seacod import routes
from seacod.metrics import SupervisorMetrics, directory
from seacod.metrics.worker import REASONS
from seacod.routes import ROUTES, Carries, carrying
from seacod.supervisor.workers.states import ServiceState

WORKER = """
import os, pathlib, sys
from seacod import metrics
metrics.use_directory(pathlib.Path(sys.argv[1]), "worker0")
from seacod.metrics.worker import WorkerMetrics
m = WorkerMetrics()
m.requests.labels("/transcribe").inc()
m.failed.labels("/live", "bad_audio").inc()
m.failed.labels("/live", "not_known_before").inc()
m.in_flight.inc()
os.kill(os.getpid(), 9)
"""


def _run_a_worker(runtime: Path) -> None:
    result = subprocess.run([sys.executable, "-c", WORKER, str(runtime)], check=False)
    assert result.returncode == -9


def test_counters_survive_a_killed_worker_and_its_gauges_go(tmp_path: Path) -> None:
    metrics = SupervisorMetrics(tmp_path)
    _run_a_worker(tmp_path)
    _run_a_worker(tmp_path)
    assert b"asr_requests_in_flight" in generate_latest(metrics.registry)
    metrics.worker_gone("worker0")
    text = generate_latest(metrics.registry).decode()
    assert 'asr_requests_total{route="/transcribe"} 2.0' in text
    assert "asr_requests_in_flight" not in text


def test_every_failure_of_every_route_is_there_before_a_worker_is(tmp_path: Path) -> None:
    text = generate_latest(SupervisorMetrics(tmp_path).registry).decode()
    for route in ROUTES:
        for reason in REASONS:
            assert f'asr_requests_failed_total{{reason="{reason}",route="{route}"}} 0.0\n' in text
        for name in ("asr_requests_total", "asr_requests_success_total",
                     "asr_requests_success", "asr_requests_failed"):  # fmt: skip
            assert f'\n{name}{{route="{route}"}} 0.0\n' in text
    assert {"queue_full", "bad_audio", "canceled", "internal"} <= set(REASONS)


def test_what_a_worker_counted_takes_the_place_of_nothing(tmp_path: Path) -> None:
    metrics = SupervisorMetrics(tmp_path)
    _run_a_worker(tmp_path)
    lines = generate_latest(metrics.registry).decode().splitlines()
    assert len(lines) == len(set(lines))
    assert 'asr_requests_failed_total{reason="bad_audio",route="/live"} 1.0' in lines
    assert 'asr_requests_failed_total{reason="bad_audio",route="/transcribe"} 0.0' in lines
    assert 'asr_requests_failed{route="/live"} 2.0' in lines
    assert 'asr_requests_failed{route="/transcribe"} 0.0' in lines


def test_every_route_for_recordings_is_counted_from_the_start() -> None:
    """What is served by the names of `seacod/routes.py` is all of them; each WebSocket is one."""
    served: dict[str, set[str]] = {"post": set(), "websocket": set()}
    for file in (Path(seacod.__file__).parent / "web/routes").glob("*.py"):
        for method, name in re.findall(r"@routes\.(post|websocket)\(([A-Z_]+)", file.read_text()):
            if method == "websocket" or hasattr(routes, name):
                served[method].add(getattr(routes, name))
    recordings = set(carrying(Carries.RECORDING))
    assert served == {"post": recordings, "websocket": set(ROUTES) - recordings}


def test_a_file_cut_off_at_birth_does_not_stop_the_page(tmp_path: Path) -> None:
    metrics = SupervisorMetrics(tmp_path)
    (directory(tmp_path) / "counter_worker0.db").touch()
    metrics.remove_torn_files()
    assert b"seacod_worker_state" in generate_latest(metrics.registry)


def test_exactly_one_worker_state_is_set(tmp_path: Path) -> None:
    metrics = SupervisorMetrics(tmp_path)
    metrics.set_worker_state(ServiceState.STARTING)
    metrics.set_worker_state(ServiceState.SERVING)
    text = generate_latest(metrics.registry).decode()
    states = [line for line in text.splitlines() if line.startswith("seacod_worker_state")]
    assert [line for line in states if line.endswith(" 1.0")] == [
        'seacod_worker_state{state="serving"} 1.0'
    ]
    assert len(states) == len(ServiceState)


def test_away_time_never_falls(tmp_path: Path) -> None:
    metrics = SupervisorMetrics(tmp_path)
    for total in (2.5, 2.5, 4.0):
        metrics.set_away_seconds(total)
    assert "seacod_worker_away_seconds_total 4.0" in generate_latest(metrics.registry).decode()
