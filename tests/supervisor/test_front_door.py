"""Connections without pause while workers are killed: none is refused, none is left hanging."""

from __future__ import annotations

import collections
import os
import signal
import socket
import threading

from supervised import PATIENCE_SECONDS, StandIn, wait_until

KILLS = 12
CLIENTS = 4


def _one_request(port: int) -> str:
    """What became of one connection: 200, 503, cut (inside a killed worker), refused, hung."""
    try:
        connection = socket.create_connection(("127.0.0.1", port), PATIENCE_SECONDS)
    except ConnectionRefusedError:
        return "refused"
    with connection:
        try:
            connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            answer = b""
            while chunk := connection.recv(4096):
                answer += chunk
        except TimeoutError:
            return "hung"
        except ConnectionError:
            return "cut"
    return answer[9:12].decode() if answer else "cut"


def test_no_connection_is_refused_or_left_hanging_while_workers_are_killed(
    service: StandIn,
) -> None:
    service.configure(
        supervisor={
            "backoff_initial_seconds": 0.05,
            "backoff_max_seconds": 0.1,
            "stable_seconds": 1,
        }
    )
    service.start()
    done = threading.Event()
    seen: collections.Counter[str] = collections.Counter()

    def client() -> None:
        mine: collections.Counter[str] = collections.Counter()
        while not done.is_set():
            mine[_one_request(service.port)] += 1
        seen.update(mine)

    clients = [threading.Thread(target=client, name=f"client-{n}") for n in range(CLIENTS)]
    for one in clients:
        one.start()
    for _ in range(KILLS):
        worker = service.wait_for_state("serving")["worker"]["pid"]
        os.kill(worker, signal.SIGKILL)
        wait_until(lambda dead=worker: _pid(service) not in (dead, None), "another worker")
    service.wait_for_state("serving")
    done.set()
    for one in clients:
        one.join()
    assert seen["refused"] == 0, seen
    assert seen["hung"] == 0, seen
    assert seen["200"] > 0, seen
    assert seen["503"] > 0, seen
    # Only requests inside a worker at its death can be lost: one a client and kill at most.
    assert seen["cut"] <= KILLS * CLIENTS, seen


def _pid(service: StandIn) -> int | None:
    status = service.status()
    return status["worker"]["pid"] if status else None
