"""The worker's life under a real supervisor process: starts, ends, restarts, stops."""

from __future__ import annotations

import os
import signal
import socket
import threading
from pathlib import Path

import psutil
from supervised import PATIENCE_SECONDS, StandIn, fetch, wait_until


def test_a_killed_worker_is_replaced(service: StandIn) -> None:
    service.start()
    first = service.worker_pid()
    os.kill(first, signal.SIGKILL)
    wait_until(lambda: (service.status() or {})["restarts"]["count"] == 1, "a restart")
    status = service.wait_for_state("serving")
    assert status["worker"]["pid"] != first
    assert status["restarts"]["last_causes"] == ["signal SIGKILL"]
    http_status, _, body = service.get()
    assert (http_status, f'"pid": {service.worker_pid()}'.encode() in body) == (200, True)
    assert 'seacod_worker_restarts_total{cause="signal"} 1.0' in service.metrics()
    (event,) = service.events("worker_exited")
    assert event["level"] == "error"
    assert event["last_lines"][0] == "stand-in worker says hello on stderr"


def test_while_no_worker_is_ready_the_answer_is_503_with_retry_after(
    service: StandIn,
) -> None:
    service.plan(never_ready=True)
    service.start(wait=False)
    service.wait_for_state("starting")
    status, headers, body = service.get("/transcribe")
    assert status == 503
    assert int(headers["Retry-After"]) >= 1
    assert b'"not_ready"' in body
    status, headers, body = service.get("/", Accept="text/html", Accept_Language="zh-CN,zh")
    assert status == 503
    assert headers["Content-Type"].startswith("text/html")
    assert "正在加载模型".encode() in body
    assert b'http-equiv="refresh"' in body
    assert b"model is loading" in service.get("/", Accept="text/html", Accept_Language="en")[2]
    assert 'seacod_worker_state{state="starting"} 1.0' in service.metrics()
    assert fetch(f"http://127.0.0.1:{service.metrics_port}/nothing")[0] == 404


def test_a_client_that_is_still_uploading_sees_the_503(service: StandIn) -> None:
    """Closing with unread data would send RST, and the answer would be lost on the way."""
    service.plan(never_ready=True)
    service.start(wait=False)
    service.wait_for_state("starting")
    with socket.create_connection(("127.0.0.1", service.port), PATIENCE_SECONDS) as client:
        client.sendall(b"POST /transcribe HTTP/1.1\r\nHost: x\r\nContent-Length: 8000000\r\n\r\n")
        for _ in range(80):
            client.sendall(b"x" * 100_000)
        assert client.recv(4096).startswith(b"HTTP/1.1 503")


def test_garbage_on_the_control_channel_is_logged_and_harms_nothing(
    service: StandIn,
) -> None:
    service.plan(garbage=True)
    service.start()
    assert service.get()[0] == 200
    problems = [event["problem"] for event in service.events("worker_sent_garbage")]
    assert len(problems) == 3
    assert "cannot send serve" in problems[2]


def test_stopping_lets_a_running_request_finish(service: StandIn, tmp_path: Path) -> None:
    may_answer = tmp_path / "may-answer"
    service.plan(answers_when=str(may_answer))
    service.start()
    answers: list[int] = []
    client = threading.Thread(target=lambda: answers.append(service.get()[0]))
    client.start()
    wait_until(lambda: (service.status() or {}).get("in_flight") == 1, "the request in flight")
    service.signal(signal.SIGTERM)
    wait_until(
        lambda: [e for e in service.events("worker_state_changed") if e["new"] == "draining"],
        "a worker that finishes what it has",
    )
    assert not answers
    may_answer.touch()
    assert service.wait_for_exit() == 0
    client.join()
    assert answers == [200]


def test_a_worker_that_ignores_drain_and_term_is_killed_and_the_stop_is_clean(
    service: StandIn,
) -> None:
    service.configure(worker={"drain_timeout_seconds": 0, "stop_timeout_seconds": 0.5})
    service.plan(ignore_drain=True, ignore_term=True)
    service.start()
    worker = service.worker_pid()
    assert service.stop() == 0
    assert not psutil.pid_exists(worker)


def test_a_killed_supervisor_leaves_no_worker_behind(service: StandIn) -> None:
    service.start()
    worker = service.worker_pid()
    service.signal(signal.SIGKILL)
    service.wait_for_exit()
    wait_until(lambda: not _is_running(worker), "the worker gone")
    service.start()
    assert service.get()[0] == 200


def _is_running(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_two_services_cannot_share_a_runtime_directory(service: StandIn) -> None:
    service.start()
    second = StandIn(service.directory)
    second.log_file = service.directory / "second.log"
    second.start(wait=False)
    assert second.wait_for_exit() == 71
    assert f"another seacod (pid {service.process.pid})" in second.log_text()  # type: ignore[union-attr]


def test_two_services_cannot_share_a_state_directory(service: StandIn) -> None:
    """They would send each other's alerts, and neither would know of the other's pause."""
    service.start()
    second = StandIn(service.directory / "second")
    state = service.directory / "state"
    second.configure(
        paths={"state_directory": str(state), "runtime_directory": str(second.directory / "run")}
    )
    second.start(wait=False)
    assert second.wait_for_exit() == 71
    said = second.log_text()
    assert f"another seacod (pid {service.process.pid}) uses {state}" in said  # type: ignore[union-attr]
    assert "paths.state_directory" in said
    # The one that was there first goes on, and what is killed holds nothing.
    assert service.get()[0] == 200
    service.kill()
    second.start()
    assert second.get()[0] == 200
    second.stop()
