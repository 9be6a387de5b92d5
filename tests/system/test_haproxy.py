"""Two nodes behind a real HAProxy with what `seacod haproxy` prints for them: restarted one after
the other, cut off from the network, hung, refusing, asked by more than they have places for."""

from __future__ import annotations

import contextlib
import json
import signal
import socket
import ssl
import subprocess
import time
import urllib.request
from collections.abc import Iterator

import httpx
import pytest
import sounds
from nodes import Balancer, Node, balanced, need_namespaces
from patience import connect
from supervised import PATIENCE_SECONDS, wait_until

from seacod.proving.load import ClientLoad
from seacod.routes import LIVE

pytestmark = pytest.mark.timeout(600)
# Within it HAProxy has to look once, and none of these processes may have its turn at once.
NOTICE_SECONDS = 8
CLIENTS = 4
# Three times what is written for HAProxy, and far from the kernel's quarter of an hour.
GIVEN_UP_SECONDS = 90.0
# More than what HAProxy and the sockets on the way hold.
UPLOAD_BYTES = 40 << 20
# More than the nodes have places for.
BURST = 24


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Node]]:
    need_namespaces("haproxy iproute2", "haproxy", "ip")
    directory = tmp_path_factory.mktemp("nodes")
    both = [Node(directory / f"node{number}", number) for number in (1, 2)]
    try:
        for node in both:
            node.disconnect()
            try:
                node.connect()
            except subprocess.CalledProcessError as error:
                pytest.skip(f"no network namespace can be made here: {error.stderr!r}")
            node.set_up(
                server={
                    "host": "0.0.0.0",
                    "drain_notice_seconds": NOTICE_SECONDS,
                    "trusted_proxies": node.gateway,
                },
                # Fewer places than clients of a burst.
                limits={"concurrent_requests": 2, "queue_length": 4},
            )
            node.start(wait=False)
        for node in both:
            node.wait_for_state("serving")
        yield both
    finally:
        for node in both:
            node.everybody(signal.SIGCONT)
            node.kill()
            node.disconnect()


@pytest.fixture(scope="module")
def balancer(nodes: list[Node], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Balancer]:
    with balanced(tmp_path_factory.mktemp("haproxy"), nodes) as found:
        wait_until(lambda: up(found.port), "HAProxy with a node")
        yield found


@pytest.fixture(scope="module")
def port(balancer: Balancer) -> int:
    return balancer.port


def up(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/health/ready", timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def answered(node: Node) -> int:
    return int(json.loads(node.get("/system")[2])["answered"])


def asked(port: int, cookie: str) -> float:
    """Which node answers whoever has this cookie: when that one began."""
    request = urllib.request.Request(f"http://127.0.0.1:{port}/system", headers={"Cookie": cookie})
    with urllib.request.urlopen(request) as answer:
        return float(json.load(answer)["service"]["since"])


def load(port: int, clients: int = CLIENTS) -> ClientLoad:
    return ClientLoad(
        port, clients=clients, recording=sounds.SPEECH.read_bytes(), pause_after_503_seconds=0.2
    )


def test_both_are_used_and_a_page_stays_where_it_is(nodes: list[Node], port: int) -> None:
    before = [answered(node) for node in nodes]
    with load(port) as running:
        wait_until(lambda: running.seen["200"] > 40, "answers")
    assert running.failed() == {}
    for node, count in zip(nodes, before, strict=True):
        assert answered(node) > count
    # Without a cookie any node; with it the same one.
    request = urllib.request.Request(f"http://127.0.0.1:{port}/system")
    with urllib.request.urlopen(request) as answer:
        cookie = answer.headers["Set-Cookie"].split(";")[0]
    name, _, number = cookie.partition("=")
    assert name == "SEACOD"
    chosen = nodes[int(number[-1]) - 1]
    # Asked again and again, it is always that one.
    assert {asked(port, cookie) for _ in range(8)} == {(chosen.status() or {})["since"]}
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/health/ready") as answer:
        assert answer.headers["Set-Cookie"] is None


def test_with_tls_recordings_and_microphones_come_through(balancer: Balancer) -> None:
    trusted = ssl.create_default_context(cafile=balancer.authority)
    with httpx.Client(
        base_url=f"https://localhost:{balancer.tls}",
        verify=trusted,
        trust_env=False,
        timeout=PATIENCE_SECONDS,
    ) as client:
        answer = client.post("/transcribe", files={"file": sounds.SPEECH.read_bytes()})
        assert answer.json()["text"] == sounds.SPEECH_TEXT
        # The page, whose addresses must be those of https.
        page = client.get("/").text
        assert "http://localhost" not in page
    with connect(f"wss://localhost:{balancer.tls}{LIVE}", ssl=trusted) as microphone:
        microphone.send(json.dumps({"type": "start", "sample_rate": 16_000}))
        microphone.send(bytes(2 * 16_000))
        microphone.send(json.dumps({"type": "stop"}))
        kinds = [json.loads(message)["type"] for message in microphone]
    assert (kinds[0], kinds[-1]) == ("ready", "done")


def test_who_asks_is_said_by_the_balancer_alone(nodes: list[Node], balancer: Balancer) -> None:
    """The nodes believe X-Forwarded-* from its address, so it must pass none of a client's on."""
    invented = {"X-Forwarded-For": "203.0.113.9", "Forwarded": "for=203.0.113.9"}
    with httpx.Client(
        base_url=f"http://localhost:{balancer.port}", trust_env=False, headers=invented,
        timeout=PATIENCE_SECONDS,
    ) as client:  # fmt: skip
        answer = client.post("/transcribe", files={"file": sounds.SPEECH.read_bytes()})
        request = answer.headers["X-Request-ID"]

    def heard() -> list[dict[str, object]]:
        events = (one for node in nodes for one in node.events("transcribed"))
        return [one for one in events if one["request_id"] == request]

    # Neither what it invented nor the address by which the balancer reaches the node.
    assert [one["client"] for one in wait_until(heard, "what the node writes")] == ["127.0.0.1"]


def test_a_burst_waits_at_the_balancer_and_nobody_is_refused(port: int) -> None:
    with load(port, BURST) as running:
        wait_until(lambda: running.seen["200"] > 3 * BURST, "answers")
    assert running.failed() == {}


def test_a_node_that_refuses_attracts_nothing(nodes: list[Node], balancer: Balancer) -> None:
    refusing = "seacod_requests/node2"
    # Found ready all the time, and it refuses every upload at once: what other one is so free?
    nodes[1].change(storage={"free_refuse_bytes": 1 << 40})
    try:
        with load(balancer.port) as running:
            wait_until(lambda: balancer.state(refusing).startswith("DOWN"), "nothing goes there")
            wait_until(lambda: running.seen["200"] > 40, "answers of the other one")
        assert nodes[1].get("/health/ready")[0] == 200
        assert balancer.state("seacod_sessions/node2") == "UP"
        assert set(running.failed()) <= {"507"}, running.failed()
        print(f"{running.seen['507']} refused beside {running.seen['200']}")
        assert running.seen["507"] < running.seen["200"]
    finally:
        nodes[1].change()
    wait_until(lambda: balancer.state(refusing) == "UP", "it is asked again")


def test_a_batch_is_found_again_after_its_node_was_away(nodes: list[Node], port: int) -> None:
    with httpx.Client(
        base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=PATIENCE_SECONDS
    ) as client:
        sent = client.post(
            "/batch_transcribe", files={"files": ("a.wav", sounds.SPEECH.read_bytes())}
        )
        job = sent.json()["job"]
        home = nodes[int(client.cookies["SEACOD"][-1]) - 1]
        assert home.stop() == 0
        # The page is there meanwhile, by the other one.
        wait_until(lambda: client.get("/health").status_code == 200, "the other node")
        away = client.get(f"/jobs/{job}")
        assert (away.status_code, away.headers["Retry-After"]) == (503, "5")
        assert "try again" in away.json()["error"]["message"]
        home.start()
        told = wait_until(
            lambda: (a := client.get(f"/jobs/{job}")).status_code == 200 and a.json(), "the batch"
        )
        assert told["job"] == job


def test_both_are_restarted_under_load_and_no_request_fails(nodes: list[Node], port: int) -> None:
    with load(port) as running:
        for node in nodes:
            wait_until(lambda: running.seen["200"] > 10, "answers")
            assert node.stop() == 0
            node.start()
            # It is asked again before the other one goes.
            count = answered(node)
            wait_until(lambda node=node, count=count: answered(node) > count + 5, "its share")  # type: ignore[misc]
    assert running.failed() == {}, running.failed()


def test_a_node_that_is_cut_off_costs_what_was_inside_it(nodes: list[Node], port: int) -> None:
    with load(port) as running:
        wait_until(lambda: running.seen["200"] > 10, "answers")
        cut_at = time.time()
        nodes[0].wire("down")
        try:
            # Everybody is served by the other one; nobody waits for ever for this.
            wait_until(lambda: good_since(running, cut_at) > 100, "answers of the other node")
            wait_until(
                lambda: not any_open_since_before(running, cut_at), "an end of what was inside"
            )
        finally:
            nodes[0].wire("up")
        wait_until(lambda: nodes[0].get("/health/ready")[0] == 200, "the node, back")
        count = answered(nodes[0])
        wait_until(lambda: answered(nodes[0]) > count, "its share")
    assert set(running.failed()) <= {"503", "cut"}, running.failed()
    lost = sum(running.failed().values())
    assert lost <= CLIENTS, running.failed()


def test_an_upload_ends_that_was_on_its_way_into_a_node_cut_off(
    nodes: list[Node], balancer: Balancer
) -> None:
    """Keep-alive looks at silent connections alone: what was sent and not acknowledged would be
    sent again and again, for a quarter of an hour."""
    nodes[1].wire("down")
    try:
        wait_until(lambda: nodes[0].get("/health/ready")[0] == 200, "the other node")
        wait_until(lambda: up(balancer.port), "HAProxy with that node alone")
        with socket.create_connection(
            ("127.0.0.1", balancer.port), timeout=GIVEN_UP_SECONDS
        ) as client:
            client.sendall(
                b"POST /transcribe HTTP/1.1\r\nHost: localhost\r\n"
                b"Content-Type: multipart/form-data; boundary=b\r\n"
                b"Content-Length: %d\r\n\r\n"
                % UPLOAD_BYTES
                + b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\n\r\n'
            )
            client.sendall(bytes(UPLOAD_BYTES // 2))
            nodes[0].wire("down")
            # As much as HAProxy and the two ends hold between them; a broken connection ends it.
            with contextlib.suppress(ConnectionError):
                client.sendall(bytes(UPLOAD_BYTES // 4))
            with contextlib.suppress(ConnectionError):
                told = client.recv(1 << 16)
                assert told == b"" or told.startswith(b"HTTP/1.1 503 "), told
    finally:
        for node in nodes:
            node.wire("up")
    for name in ("node1", "node2"):
        server = f"seacod_requests/{name}"
        wait_until(lambda server=server: balancer.state(server) == "UP", "the nodes, back")  # type: ignore[misc]


def test_a_node_that_hangs_costs_what_was_inside_it(nodes: list[Node], port: int) -> None:
    with load(port) as running:
        wait_until(lambda: running.seen["200"] > 10, "answers")
        hung_at = time.time()
        nodes[1].everybody(signal.SIGSTOP)
        wait_until(lambda: good_since(running, hung_at) > 100, "answers of the other node")
        nodes[1].everybody(signal.SIGCONT)
        # What was inside goes on where it was.
        count = answered(nodes[1])
        wait_until(lambda: answered(nodes[1]) > count + 5, "its share")
    assert set(running.failed()) <= {"503", "cut"}, running.failed()
    lost = sum(running.failed().values())
    assert lost <= CLIENTS, running.failed()


def good_since(running: ClientLoad, moment: float) -> int:
    return sum(o.what == "200" and o.began > moment for o in list(running.outcomes))


def any_open_since_before(running: ClientLoad, moment: float) -> bool:
    """Whether a client still waits for what it asked before that."""
    return len({o.client for o in list(running.outcomes) if o.ended > moment}) < CLIENTS
