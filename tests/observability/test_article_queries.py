"""Queries and alerts as articles about services of this kind have them, pasted as they are.

Each has a value on a real Prometheus that looks every five seconds; the first failures count."""

from __future__ import annotations

import math
import subprocess
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import sounds
from gpus import Driver
from supervised import Faulty, wait_until

# Query, and the least and the greatest value that makes sense after the work below.
PANELS = [
    ("rate(asr_requests_total[1m])", 0, 100),
    ("rate(asr_requests_success[5m]) / rate(asr_requests_total[5m])", 0, 1),
    ("histogram_quantile(0.95, rate(asr_processing_duration_seconds_bucket[5m]))", 0.001, 300),
    ("gpu_memory_used_mb", 23000, 23000),
    ("gpu_util_percent", 0, 100),
    ("system_cpu_usage_percent", 0, 100),
    ("asr_audio_duration_seconds_total / 3600", 0.0001, 1),
    ("asr_processed_files_total", 2, 100),
    ("sum(rate(asr_requests_failed[1h])) by (job)", 0.0001, 100),
    ("system_memory_usage_percent", 0, 100),
    ("rate(asr_processing_duration_seconds_bucket[5m])", 0, 100),
    ("sum(rate(asr_processing_duration_seconds_bucket[5m])) by (le)", 0, 100),
]
ALERTS = [
    "rate(asr_requests_failed[5m]) / rate(asr_requests_total[5m]) > 0.1",
    "gpu_memory_used_mb > 22000",
    "rate(asr_requests_total[1m]) == 0",
]
REFUSED = 'asr_requests_failed_total{route="/transcribe",reason="queue_full"}'
UNREADABLE = 'asr_requests_failed_total{route="/transcribe",reason="bad_audio"}'


@dataclass
class Work:
    """What a service was given while Prometheus looked, and the answers, by status."""

    prometheus: Any
    answers: dict[str, int]


@pytest.fixture(scope="module")
def work(shown: Faulty, library: Path, usual_prometheus: Any) -> Work:
    Driver(shown.directory / "nvml.txt", library).tell(used_mib=23000, total_mib=24576)
    wait_until(lambda: _value(usual_prometheus, REFUSED) is not None, "the first scrape")
    return Work(usual_prometheus, _done(shown))


def _done(service: Faulty) -> dict[str, int]:
    """A burst with which it all begins, and some that is good."""
    answers: dict[str, int] = {}
    lock = threading.Lock()

    def send(file: str) -> None:
        status = subprocess.run(
            ["curl", "-sS", "-o", "/dev/null", "-w", "%{http_code}", "-F", f"file=@{file}",
             f"{service.url}/transcribe"],
            capture_output=True, text=True, check=False,
        ).stdout  # fmt: skip
        with lock:
            answers[status] = answers.get(status, 0) + 1

    # First, since it would be turned away with the others.
    send("/etc/hostname")
    crowd = [threading.Thread(target=send, args=(str(sounds.SPEECH),)) for _ in range(42)]
    with service.holding():
        for one in crowd:
            one.start()
        # Two are with the model, two wait.
        wait_until(lambda: answers.get("503", 0) >= 38, lambda: f"refusals: {answers}")
    for one in crowd:
        one.join()
    for _ in range(2):
        send(str(sounds.SPEECH))
    return answers


def _value(prometheus: Any, query: str) -> float | None:
    try:
        return prometheus.value(query)
    except (OSError, AssertionError):
        return None


def _values(prometheus: Any, query: str) -> list[float]:
    """Every value it has now; nothing divided by nothing is none."""
    found = [float(one["value"][1]) for one in prometheus.ask("query", query=query)["result"]]
    return [value for value in found if not math.isnan(value)]


@pytest.mark.parametrize(("query", "least", "greatest"), PANELS)
def test_a_panel_as_it_is_pasted_has_a_value(
    work: Work, query: str, least: float, greatest: float
) -> None:
    wait_until(lambda: max(_values(work.prometheus, query), default=-1) >= least, query)
    assert max(_values(work.prometheus, query)) <= greatest


@pytest.mark.parametrize("query", ALERTS)
def test_an_alert_as_it_is_pasted_has_a_value(work: Work, query: str) -> None:
    wait_until(lambda: _values(work.prometheus, query), query)


@pytest.mark.parametrize(("series", "status"), [(REFUSED, "503"), (UNREADABLE, "415")])
def test_a_burst_before_the_second_scrape_is_counted_whole(
    work: Work, series: str, status: str
) -> None:
    sent = work.answers.get(status, 0)
    assert sent == (38 if status == "503" else 1), work.answers
    wait_until(lambda: _value(work.prometheus, series) == sent, f"{sent} of {series}")
    assert _value(work.prometheus, f"min_over_time({series}[10m])") == 0
    # What Prometheus adds is for the time beyond the last scrape.
    assert (_value(work.prometheus, f"increase({series}[10m])") or 0) >= sent


def test_the_sums_by_route_are_those_of_the_counters(work: Work) -> None:
    for name in ("asr_requests_success", "asr_requests_failed"):
        difference = f"{name} - sum without (reason) ({name}_total)"
        assert set(_values(work.prometheus, difference)) == {0.0}, name
