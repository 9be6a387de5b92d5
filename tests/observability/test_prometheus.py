"""Every query of the dashboard and of the rules, on Debian's real Prometheus, against a seacod that
was given work: good, bad, too much at once, and a worker killed under it. Alerts fire and end."""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable

import psutil
import pytest
import sounds
import yaml
from observability import views
from receivers import Robot
from supervised import ROOT, Faulty, Service, wait_until

WITH_HOTWORDS = next(e for e in sounds.EXAMPLES if e["hotwords"])
EVERY = "20s"
GOOD = 12
HELD_SECONDS = 2.0
# When Prometheus last saw a nursery.
LOOKED = "timestamp(seacod_nursery_ready == 1)"


def curl(service: Service, *form: str) -> str:
    command = ["curl", "-sS", "-o", "/dev/null", "-w", "%{http_code}"]
    for field in form:
        command += ["-F", field]
    return subprocess.run(
        [*command, f"{service.url}/transcribe"], capture_output=True, text=True, check=False
    ).stdout


@pytest.fixture(scope="module")
def worked(shown: Faulty, prometheus) -> dict[str, int]:
    """Work of every kind, while Prometheus looks; how many of which answer there were."""
    answers: dict[str, int] = {}
    lock = threading.Lock()

    def send(*form: str) -> None:
        status = curl(shown, *form)
        with lock:
            answers[status] = answers.get(status, 0) + 1

    speech = f"file=@{sounds.SPEECH}"
    hotword = f"file=@{sounds.EXAMPLES_DIRECTORY / WITH_HOTWORDS['file']}"
    send(speech)
    send("file=@/etc/hostname")
    for _ in range(GOOD):
        send(hotword, f"hotwords={WITH_HOTWORDS['hotwords']}")
    for _ in range(3):
        send("file=@/etc/hostname")

    def crowded() -> list[threading.Thread]:
        """Ten at once, of whom two are with the model that stands still, and two wait."""
        refused = answers.get("503", 0)
        crowd = [threading.Thread(target=send, args=(speech,)) for _ in range(10)]
        for thread in crowd:
            thread.start()
        wait_until(lambda: answers.get("503", 0) >= refused + 6, lambda: f"refusals: {answers}")
        return crowd

    with shown.holding():
        crowd = crowded()
        wait_until(
            lambda: (prometheus.value("sum(asr_queue_depth)") or 0) >= 1, "a queue that is seen"
        )
        # Which is time that the report tells.
        time.sleep(HELD_SECONDS)
    for thread in crowd:
        thread.join()
    shown.nursery()
    worker = shown.worker_pid()
    with shown.holding():
        crowd = crowded()
        os.kill(worker, signal.SIGKILL)
    for thread in crowd:
        thread.join()
    wait_until(lambda: shown.status_of("serving", other_than=worker), "another worker")
    for _ in range(6):
        send(hotword, f"hotwords={WITH_HOTWORDS['hotwords']}")
    shown.nursery()
    looked = prometheus.value(LOOKED) or 0.0
    wait_until(
        lambda: prometheus.value("sum(asr_processed_files_total)") == answers["200"],
        "all of it seen",
    )
    # And again, since a rate needs two looks; the nursery is there at both.
    for _ in range(2):
        looked = wait_until(
            lambda then=looked: (now := prometheus.value(LOOKED) or 0.0) > then and now, "a look"
        )
    return answers


def finite(prometheus, query: str) -> list[float]:
    filled = views.filled(query, 'job=~".+", instance=~".+"', EVERY).replace("$__range", "10m")
    values = [float(v) for one in prometheus.series(filled) for _, v in one["values"]]
    return [value for value in values if math.isfinite(value)]


def test_every_view_of_the_dashboard_has_right_data(worked, prometheus) -> None:
    assert worked["200"] >= GOOD
    assert worked["415"] == 4
    assert worked["503"] >= 3
    empty, wrong = [], []
    for row in views.ROWS:
        for view in row.views:
            for query, legend in view.queries:
                values = finite(prometheus, query)
                if not values:
                    empty.append(f"{view.title}: {query}")
                    continue
                most = {"percentunit": 1.0, "percent": 100.0}.get(view.unit)
                # A rate of something that went on across two scrapes may pass by a little.
                if min(values) < 0 or (most and max(values) > most * 1.05):
                    wrong.append(f"{view.title} {legend}: {min(values)} to {max(values)}")
    assert empty == []
    assert wrong == []


def test_the_figures_are_those_of_the_work(worked, shown: Service, prometheus) -> None:
    def now(query: str) -> float:
        value = prometheus.value(query)
        assert value is not None, query
        return value

    assert now("sum(asr_processed_files_total)") == worked["200"]
    assert now('sum(asr_requests_failed_total{reason="bad_audio"})') == 4
    assert now('sum(asr_requests_failed_total{reason="queue_full"})') >= 3
    assert now("sum(asr_requests_with_hotwords_total)") == GOOD + 6
    assert now('sum(asr_hotwords_total{status="matched"})') == GOOD + 6
    length = worked["200"] * 2.8
    assert length * 0.9 < now("sum(asr_audio_duration_seconds_total)") < length * 1.1
    assert now("sum(asr_processing_duration_seconds_count)") == worked["200"]
    assert now('sum(asr_stage_duration_seconds_count{stage="vad"})') == worked["200"]
    assert now('sum(seacod_worker_restarts_total{cause="signal"})') == 1
    # The mark on every panel.
    marks = finite(prometheus, views.RESTARTS)
    assert marks
    assert max(marks) <= 2
    assert now('seacod_worker_state{state="serving"}') == 1
    assert now("gpu_memory_used_mb") == 3000
    assert now('seacod_gpu_process_memory_bytes{owner="other"}') == 3000 * 1024 * 1024
    assert now("seacod_nursery_ready") == 1
    assert now("seacod_queue_length") == 2
    assert 0 <= now("seacod_watchdog_age_seconds") < 15
    assert now('sum(seacod_alert_deliveries_total{channel="webhook",outcome="delivered"})') >= 1


def test_counters_never_fell(worked, prometheus) -> None:
    """Over the killed worker, too."""
    for name in ("asr_requests_total", "asr_processed_files_total", "asr_inference_seconds_total"):
        for one in prometheus.series(name, 300):
            values = [float(v) for _, v in one["values"]]
            assert values == sorted(values), name
    assert prometheus.value("sum(resets(asr_requests_total[10m]))") == 0


def test_every_rule_has_a_value_or_is_silent(worked, prometheus) -> None:
    groups = prometheus.ask("rules")["groups"]
    rules = [rule for group in groups for rule in group["rules"]]
    shipped = yaml.safe_load((ROOT / "etc/prometheus/rules.yml").read_text("utf-8"))
    assert len(rules) == sum(len(group["rules"]) for group in shipped["groups"])
    for rule in rules:
        assert rule["health"] == "ok", rule
    for rule in rules:
        if rule["type"] == "recording":
            assert prometheus.series(rule["name"], 300), rule["name"]


def wait_for_alert(prometheus, name: str, is_firing: bool = True) -> None:
    word = "firing" if is_firing else "over"
    wait_until(lambda: (name in prometheus.firing()) == is_firing, f"{name} {word}")


def told(robot: Robot, name: str, status: str) -> bool:
    return any(
        alert["labels"]["alertname"] == name and alert["status"] == status
        for _, body in robot.requests
        # seacod's own messages come to the same robot.
        if "groupLabels" in body
        for alert in body["alerts"]
    )


def test_alerts_fire_and_end(worked, shown: Service, prometheus, seen_robot: Robot) -> None:
    # Too many at once, some time ago: the rate looks back over five minutes.
    wait_for_alert(prometheus, "SeacodTurnsAway")
    # The worker that was killed is no crash loop, and nothing is stuck. (Here a rule needs no two
    # minutes: one that was looked at while the worker was away is over at the next look.)
    wrong = {"SeacodCrashLoop", "SeacodNotServing", "SeacodStuck"}
    wait_until(
        lambda: not prometheus.firing() & wrong, lambda: f"none of those: {prometheus.firing()}"
    )
    shown.signal(signal.SIGKILL)
    shown.wait_for_exit()
    wait_for_alert(prometheus, "SeacodDown")
    wait_until(lambda: told(seen_robot, "SeacodDown", "firing"), "word of it by Alertmanager")
    paths = {path.partition("?")[0] for path, body in seen_robot.requests if "groupLabels" in body}
    assert "/mail-and-dingtalk" in paths
    shown.start()
    wait_for_alert(prometheus, "SeacodDown", is_firing=False)
    wait_until(lambda: told(seen_robot, "SeacodDown", "resolved"), "word that it is over")


def test_a_scrape_answers_while_the_worker_hangs(shown: Service, prometheus) -> None:
    worker = shown.worker_pid()
    os.kill(worker, signal.SIGSTOP)
    try:
        began = time.time()

        def seen() -> float:
            """How often Prometheus got an answer since."""
            since = max(1, math.ceil(time.time() - began))
            return prometheus.value(f"sum_over_time(up{{job='seacod'}}[{since}s])") or 0.0

        wait_until(lambda: seen() >= 4, "scrapes that were answered")
        assert "asr_requests_total" in shown.metrics()
        assert psutil.Process(worker).status() == psutil.STATUS_STOPPED
    finally:
        os.kill(worker, signal.SIGCONT)


def report(shown: Service, *options: str) -> str:
    return subprocess.run(
        [sys.executable, "-m", "seacod", "report", "--config", str(shown.config), *options],
        capture_output=True, text=True, check=True, cwd=ROOT,
    ).stdout  # fmt: skip


def test_the_report_says_which_were_slow_and_why(worked, shown: Service) -> None:
    body = json.loads(report(shown, "--json", "--count", "100"))
    assert body["requests"] >= sum(worked.values()) - 10  # some ended with the worker, unlogged
    slowest = body["slowest"][0]
    assert slowest["seconds"] > HELD_SECONDS
    assert "queue" in slowest["why"] or "model" in slowest["why"]
    order: Callable[[dict[str, float]], float] = lambda one: -one["seconds"]  # noqa: E731
    assert body["slowest"] == sorted(body["slowest"], key=order)
    printed = report(shown, "--since", "1h")
    assert f"{body['requests']} requests in the last 1h" in printed
    assert "bad_audio" in printed
    assert "queue_full" in printed
    refused = subprocess.run(
        [sys.executable, "-m", "seacod", "report", "--since", "soon", "--config", shown.config],
        capture_output=True, text=True, check=False, cwd=ROOT,
    )  # fmt: skip
    assert refused.returncode == 1
    assert "such as 1h" in refused.stderr
    assert "Traceback" not in refused.stderr
