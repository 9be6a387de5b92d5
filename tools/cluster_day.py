#!/usr/bin/env python3
"""Two nodes, HAProxy and PostgreSQL under load, and a freeze, a kill, a cut or a restart every two
minutes.

    sudo .venv/bin/python tools/cluster_day.py --minutes 120

Single recordings and batches come through HAProxy all the time, with what `seacod haproxy` prints.
At the end every accepted file has to be right exactly once, as the database itself has noted it,
and every refusal a 503 with Retry-After; otherwise the exit code is 1. The figures go to
docs/bench/cluster.json. It takes root (network namespaces), haproxy, iproute2 and postgresql; parts
of tests/ make the nodes.
"""

from __future__ import annotations

import argparse
import collections
import contextlib
import io
import json
import os
import platform
import random
import shutil
import signal
import sys
import tempfile
import threading
import time
import uuid
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests"), str(ROOT / "tests/system")]

import sounds  # noqa: E402
from nodes import Balancer, Node, balanced  # noqa: E402
from postgres import PASSWORD, Postgres  # noqa: E402
from supervised import wait_until  # noqa: E402

# Beside those of the tests.
NUMBERS = (11, 12)
SINGLES, BATCHES = 4, 2
FILES = 4
AWAY_SECONDS = 45
PATIENCE_SECONDS = 300
# The database itself notes what becomes done, whoever says so.
NOTES = (
    "CREATE TABLE ends (job text, number integer)",
    "CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS "
    "$$ BEGIN INSERT INTO ends VALUES (NEW.job, NEW.number); RETURN NEW; END $$",
    "CREATE TRIGGER note AFTER UPDATE OF state ON files FOR EACH ROW "
    "WHEN (NEW.state = 'done') EXECUTE FUNCTION note()",
)


@dataclass
class Seen:
    """What became of everything; of all clients."""

    singles: collections.Counter[str] = field(default_factory=collections.Counter)
    batches: collections.Counter[str] = field(default_factory=collections.Counter)
    accepted: dict[str, str] = field(default_factory=dict)
    finished: dict[str, int] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)
    faults: list[dict[str, object]] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def count(self, of: collections.Counter[str], what: str) -> None:
        with self.lock:
            of[what] += 1

    def complain(self, what: str) -> None:
        with self.lock:
            self.wrong.append(what)
        print(f"WRONG: {what}", flush=True)


def kind_of(answer: httpx.Response, seen: Seen) -> str:
    """What an answer that is no result is called; what it must not be is written down."""
    status, has_time = answer.status_code, "Retry-After" in answer.headers
    if status != 503 or not has_time:
        seen.complain(f"{status}: {answer.request.url} {answer.text[:200]}")
    return f"{status}{'' if has_time else ' without Retry-After'}"


def wait_as_told(answer: httpx.Response | None, over: threading.Event) -> None:
    told = answer.headers.get("Retry-After", "1") if answer is not None else "1"
    over.wait(min(float(told), 5.0))


Who = Callable[[int, Seen, threading.Event], None]


def watched(who: Who, port: int, seen: Seen, over: threading.Event) -> None:
    """A client whose own end is told: it would be missed nowhere."""
    try:
        who(port, seen, over)
    except Exception as error:
        seen.complain(f"{who.__name__} broke: {type(error).__name__}: {error}")


def single(port: int, seen: Seen, over: threading.Event) -> None:
    """One who sends a recording after the other."""
    sound = sounds.SPEECH.read_bytes()
    with client(port) as http:
        while not over.is_set():
            try:
                answer = http.post("/transcribe", files={"file": ("a.wav", sound)})
            except httpx.HTTPError as error:
                seen.count(seen.singles, f"broken off ({type(error).__name__})")
                wait_as_told(None, over)
                continue
            if answer.status_code != 200:
                seen.count(seen.singles, kind_of(answer, seen))
                wait_as_told(answer, over)
                continue
            is_right = answer.json()["text"] == sounds.SPEECH_TEXT
            seen.count(seen.singles, "right" if is_right else "wrong")
            if not is_right:
                seen.complain(f"a text: {answer.json()['text']!r}")
            over.wait(0.5)


def batch(port: int, seen: Seen, over: threading.Event) -> None:
    """One who sends a batch, waits for its end and looks at every text; the last one, too."""
    sound = sounds.SPEECH.read_bytes()
    with client(port) as http:
        while not over.is_set():
            key = uuid.uuid4().hex
            files = [("files", (f"{number}.wav", sound)) for number in range(FILES)]

            def send(
                key: str = key, files: list[tuple[str, tuple[str, bytes]]] = files
            ) -> httpx.Response:
                return http.post("/batch_transcribe", files=files, headers={"Idempotency-Key": key})

            sent = insisted(send, 202, seen, over)
            if sent is None:
                return
            job = sent.json()["job"]
            with seen.lock:
                seen.accepted[job] = key
            # What was accepted is waited for after the end, too.
            ending = threading.Event()
            deadline = time.monotonic() + PATIENCE_SECONDS
            while time.monotonic() < deadline:
                told = insisted(
                    lambda job=job: http.get(f"/jobs/{job}"), 200, seen, ending, deadline
                )  # type: ignore[misc]
                if told is None or told.json()["state"] == "done":
                    break
                time.sleep(1.0)
            got = insisted(
                lambda job=job: http.get(f"/jobs/{job}/results"), 200, seen, ending, deadline
            )  # type: ignore[misc]
            look_at(job, got, seen)


def insisted(
    ask: Callable[[], httpx.Response], wanted: int, seen: Seen, over: threading.Event,
    deadline: float | None = None,
) -> httpx.Response | None:  # fmt: skip
    """Asked until it is answered so; None where it is over before."""
    while not over.is_set() and (deadline is None or time.monotonic() < deadline):
        answer = None
        try:
            answer = ask()
        except httpx.HTTPError as error:
            seen.count(seen.batches, f"broken off ({type(error).__name__})")
        if answer is not None:
            if answer.status_code in (wanted, 200):
                seen.count(seen.batches, "answered")
                return answer
            seen.count(seen.batches, kind_of(answer, seen))
        wait_as_told(answer, over)
    return None


def look_at(job: str, got: httpx.Response | None, seen: Seen) -> None:
    if got is None:
        seen.complain(f"batch {job} was not finished in {PATIENCE_SECONDS} s")
        return
    archive = zipfile.ZipFile(io.BytesIO(got.content))
    texts = {
        name: json.loads(archive.read(name)).get("text")
        for name in archive.namelist()
        if name.endswith(".json") and name != "summary.json"
    }
    right = sum(text == sounds.SPEECH_TEXT for text in texts.values())
    if right != FILES or len(texts) != FILES:
        seen.complain(f"batch {job}: {texts}")
    with seen.lock:
        seen.finished[job] = right


def client(port: int) -> httpx.Client:
    return httpx.Client(
        base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=PATIENCE_SECONDS
    )


class Faults:
    """What is done to them, one thing at a time, each node in turn."""

    def __init__(self, nodes: list[Node], server: Postgres, seed: int) -> None:
        self._nodes, self._server = nodes, server
        self._random = random.Random(seed)
        self._left: list[str] = []
        self._turn = 0
        self._all: dict[str, Callable[[Node], None]] = {
            "node frozen": self.freeze,
            "worker frozen": self.freeze_worker,
            "node killed": self.kill,
            "worker killed": self.kill_worker,
            "node cut off": self.cut,
            "node restarted": self.restart,
            "database restarted": self.restart_database,
            "database frozen": self.freeze_database,
        }

    def next(self) -> tuple[str, Callable[[], None]]:
        if not self._left:
            self._left = self._random.sample(sorted(self._all), len(self._all))
        name = self._left.pop()
        node = self._nodes[self._turn % len(self._nodes)]
        self._turn += 1
        return f"{name} ({node.name})", lambda: self._all[name](node)

    def freeze(self, node: Node) -> None:
        node.everybody(signal.SIGSTOP)
        time.sleep(AWAY_SECONDS)
        node.everybody(signal.SIGCONT)

    def freeze_worker(self, node: Node) -> None:
        pid = node.worker_pid()
        os.kill(pid, signal.SIGSTOP)
        time.sleep(AWAY_SECONDS)
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)

    def kill(self, node: Node) -> None:
        node.kill()
        time.sleep(AWAY_SECONDS)
        node.start(wait=False)

    def kill_worker(self, node: Node) -> None:
        os.kill(node.worker_pid(), signal.SIGKILL)

    def cut(self, node: Node) -> None:
        node.wire("down")
        time.sleep(AWAY_SECONDS)
        node.wire("up")

    def restart(self, node: Node) -> None:
        node.stop()
        node.start(wait=False)

    def restart_database(self, node: Node) -> None:
        self._server.stop()
        time.sleep(AWAY_SECONDS / 3)
        self._server.start()

    def freeze_database(self, node: Node) -> None:
        with self._server.frozen():
            stopped = self._server.backends()
            for pid in stopped:
                os.kill(pid, signal.SIGSTOP)
            time.sleep(AWAY_SECONDS / 2)
            for pid in stopped:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGCONT)


@contextlib.contextmanager
def cluster(directory: Path) -> Iterator[tuple[list[Node], Postgres, str, Balancer]]:
    """Two nodes in networks of their own, their database and what is in front of them."""
    both = [Node(directory / f"node{number}", number) for number in NUMBERS]
    password = directory / "password"
    password.write_text(PASSWORD)
    password.chmod(0o600)
    (directory / "server").mkdir()
    try:
        for node in both:
            node.disconnect()
            node.connect()
        hosts = ",".join(node.gateway for node in both)
        with Postgres(directory / "server", hosts, "10.87.0.0/16") as server:
            address = server.fresh()
            for node in both:
                node.set_up(
                    server={"host": node.address, "drain_notice_seconds": 3,
                            "trusted_proxies": node.gateway},
                    results={"database": address.replace("127.0.0.1", node.gateway),
                             "database_password_file": str(password)},
                    # As installed: the tests' is for tests that freeze nothing by chance.
                    supervisor={"beat_timeout_seconds": 15},
                )  # fmt: skip
                node.start(wait=False)
            for node in both:
                node.wait_for_state("serving")
            with balanced(directory, both) as balancer:
                wait_until(lambda: is_up(balancer.port), "HAProxy with a node")
                yield both, server, address, balancer
            for node in both:
                node.stop()
    finally:
        for node in both:
            node.everybody(signal.SIGCONT)
            node.kill()
            node.disconnect()


def is_up(port: int) -> bool:
    with contextlib.suppress(httpx.HTTPError):
        return httpx.get(f"http://127.0.0.1:{port}/health/ready", trust_env=False).is_success
    return False


def are_well(nodes: list[Node]) -> bool:
    return all(node.status_of("serving") and node.get("/health/ready")[0] == 200 for node in nodes)


def run(options: argparse.Namespace, directory: Path) -> int:
    seen, over = Seen(), threading.Event()
    with cluster(directory) as (nodes, server, address, balancer):
        for statement in NOTES:
            server.run(statement, address)
        crowd = [
            threading.Thread(target=watched, args=(who, balancer.port, seen, over))
            for who, many in ((single, SINGLES), (batch, BATCHES))
            for _ in range(many)
        ]
        for one in crowd:
            one.start()
        began = time.monotonic()
        faults = Faults(nodes, server, options.seed)
        try:
            while (now := time.monotonic() - began) < options.minutes * 60:
                due = (len(seen.faults) + 1) * options.every
                if now < due:
                    time.sleep(min(1.0, due - now))
                    continue
                name, act = faults.next()
                act()
                at = time.monotonic()
                wait_until(lambda: are_well(nodes), f"both well after: {name}", PATIENCE_SECONDS)
                well = round(time.monotonic() - at, 1)
                seen.faults.append({"at": round(now), "what": name, "well_after_seconds": well})
                so_far = f"{dict(seen.singles)}, {len(seen.finished)} batches"
                print(
                    f"{now / 60:6.1f} min  {name}, both well {well} s after; {so_far}", flush=True
                )
        finally:
            over.set()
            for one in crowd:
                one.join(3 * PATIENCE_SECONDS)
                if one.is_alive():
                    seen.complain(f"{one.name} never came to an end")
        asked = "SELECT state, count(*) FROM files GROUP BY state"
        # What was taken and whose client never heard so, too.
        with contextlib.suppress(AssertionError):
            wait_until(
                lambda: {state for state, _ in server.rows(asked, address)} <= {"done"},
                "the last files", PATIENCE_SECONDS,
            )  # fmt: skip
        states = server.rows(asked, address)
        ends = server.rows("SELECT times, count(*) FROM (SELECT count(*) AS times FROM ends GROUP "
                           "BY job, number) AS each GROUP BY times", address)  # fmt: skip
    return report(options, seen, dict(ends), dict(states), time.monotonic() - began)


def report(
    options: argparse.Namespace, seen: Seen, ends: dict[str, str], states: dict[str, str],
    seconds: float,
) -> int:  # fmt: skip
    files = FILES * len(seen.accepted)
    right = sum(seen.finished.values())
    # An upload whose answer was lost may have been taken all the same, and is finished then.
    is_once = set(ends) <= {"1"} and set(states) <= {"done"}
    is_kept = seen.singles["right"] > 0 and 0 < right == files and is_once and not seen.wrong
    told = {
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "minutes": round(seconds / 60, 1),
        "seed": options.seed,
        "kept": is_kept,
        "faults": seen.faults,
        "single_recordings": dict(seen.singles),
        "answers_to_batches": dict(seen.batches),
        "batches": len(seen.accepted),
        "files_accepted": files,
        "files_right": right,
        "files_by_times_finished": ends,
        "files_by_state": states,
        "wrong": seen.wrong,
    }
    options.output.mkdir(parents=True, exist_ok=True)
    (options.output / "cluster.json").write_text(json.dumps(told, indent=1) + "\n")
    print(json.dumps({k: v for k, v in told.items() if k != "faults"}, indent=1))
    print("every accepted file right exactly once, every refusal a 503 with Retry-After"
          if is_kept else "NOT KEPT")  # fmt: skip
    return 0 if is_kept else 1


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=120)
    parser.add_argument("--every", type=float, default=120, metavar="SECONDS", help="a fault")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--output", type=Path, default=ROOT / "docs/bench")
    options = parser.parse_args()
    # PostgreSQL's user has to come in.
    directory = Path(tempfile.mkdtemp(prefix="seacod-cluster-"))
    directory.chmod(0o755)
    code = 1
    try:
        code = run(options, directory)
    finally:
        if code == 0:
            shutil.rmtree(directory, ignore_errors=True)
        else:
            print(f"logs stay in {directory}", file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
