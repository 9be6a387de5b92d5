"""A real supervisor process on free ports: with the real worker, or with the quick stand-in of
tests/supervisor where only the supervisor is looked at.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
from ports import free_port

from seacod.client import NEVER, Client, RetryPolicy, status_socket

HERE = Path(__file__).parent
ROOT = HERE.parent
# Only an upper bound for a condition that never comes true; no test asserts a duration.
PATIENCE_SECONDS = 180.0
# Limits of the fixture `live`: small enough to be reached in a test; the messages name whatever is
# configured.
MAX_AUDIO_SECONDS = 60
MAX_UPLOAD_BYTES = 3 * 1024 * 1024
QUEUE_LENGTH = 3
# For commands that start services of their own. Few tests look at the page, and a figure that
# nobody reads needs no measured batches: without them a start takes half the time.
QUICK_START = {
    "SEACOD_SERVER_PAGE": "off", "SEACOD_ASR_TUNE": "off", "SEACOD_ASR_BATCH_SECONDS": "20",
}  # fmt: skip
# A proxy of the environment is none for services of our own.
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def wait_until(
    condition: Callable[[], Any],
    what: str | Callable[[], str],
    patience_seconds: float = PATIENCE_SECONDS,
) -> Any:
    """The condition's first true value; `what` names it, with what is there then."""
    began = time.monotonic()
    while (waited := time.monotonic() - began) < patience_seconds:
        value = condition()
        if value:
            return value
        # Asking costs the processor that is waited for: what takes long is asked for less often.
        time.sleep(min(0.1, 0.02 + waited / 50))
    raise AssertionError(f"never came true: {what() if callable(what) else what}")


class Service:
    """`seacod run` with its real worker, as an operator sees it."""

    @property
    def command(self) -> list[str]:
        return [sys.executable, "-m", "seacod", "run", "--config", str(self.config)]

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        directory.mkdir(exist_ok=True)
        self.port, self.metrics_port = free_port(), free_port()
        self.config = directory / "seacod.yaml"
        self.log_file = directory / "log"
        self.environment: dict[str, str] = {}
        # The section alerts, for tests that change others beside it.
        self.alerts: dict[str, Any] = {}
        self.process: subprocess.Popen[bytes] | None = None
        self.configure()

    def configure(self, **sections: dict[str, Any]) -> None:
        settings: dict[str, Any] = {
            # Few look at the page or at the speed: a worker that need not import the one and
            # measure the other starts in half the time.
            "server": {"host": "127.0.0.1", "port": self.port, "page": "off"},
            "asr": {"tune": "off"},
            "metrics": {"port": self.metrics_port},
            "paths": {
                "state_directory": str(self.directory / "state"),
                "runtime_directory": str(self.directory / "run"),
            },
            "supervisor": {
                "backoff_initial_seconds": 0.1,
                "backoff_max_seconds": 0.2,
                # Tests kill workers faster than any crash loop.
                "crash_loop_failures": 1000,
                # Who has no processor for a while is slow and not hung. A test of hangs says itself
                # when a worker counts as one.
                "beat_timeout_seconds": 60,
            },
            "log": {"format": "json"},
        }
        for name, values in sections.items():
            settings[name] = {**settings.get(name, {}), **values}
        self.config.write_text(json.dumps(settings))

    def start(self, *, wait: bool = True) -> Service:
        environment = {
            **os.environ,
            "PYTHONPATH": str(ROOT),
            **self.environment,
        }
        environment.pop("JOURNAL_STREAM", None)
        self.process = subprocess.Popen(
            self.command,
            stdout=self.log_file.open("ab"),
            stderr=subprocess.STDOUT,
            env=environment,
        )
        if wait:
            self.wait_for_state("serving")
        return self

    @contextmanager
    def running(self) -> Iterator[None]:
        """Started; ended whatever happens, when it does not come up, too."""
        try:
            self.start()
            yield
        finally:
            self.kill()

    def status(self) -> dict[str, Any] | None:
        """What it says; None while nobody answers. One that is slow to answer is waited for."""
        began = time.monotonic()
        while True:
            try:
                return status_socket.status_at(self.directory / "run" / "status.sock")
            except TimeoutError:
                if time.monotonic() - began > PATIENCE_SECONDS:
                    raise
            except OSError:
                return None

    def wait_for_state(self, state: str) -> dict[str, Any]:
        return wait_until(
            lambda: self.status_of(state),
            lambda: f"worker {state}; log:\n{self.log_text()[-4000:]}",
        )

    def status_of(self, state: str, other_than: int | None = None) -> dict[str, Any] | None:
        """The status if the service is in this state, with another worker than that one."""
        status = self.status()
        if not status or status["state"] != state:
            return None
        # Between two there may be none.
        return None if other_than and status["worker"]["pid"] in (None, other_than) else status

    def nursery(self, other_than: int | None = None) -> int:
        """The pid of the nursery, once it has loaded."""

        def look() -> Any:
            nursery = (self.status() or {}).get("nursery") or {}
            return (
                nursery.get("state") == "ready" and nursery["pid"] != other_than and nursery["pid"]
            )

        return int(wait_until(look, lambda: f"a nursery; log:\n{self.log_text()[-4000:]}"))

    def wait_for_exit(self) -> int:
        assert self.process is not None
        return self.process.wait(PATIENCE_SECONDS)

    def worker_pid(self) -> int:
        status = self.status()
        assert status is not None
        return int(status["worker"]["pid"])

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def get(self, path: str = "/", **headers: str) -> tuple[int, dict[str, str], bytes]:
        return fetch(self.url + path, **headers)

    def client(self, retry: RetryPolicy = NEVER) -> Client:
        """Asks it as programs do; each failure is raised unless told otherwise."""
        return Client(self.url, retry=retry, silence_seconds=PATIENCE_SECONDS)

    @property
    def metrics_url(self) -> str:
        return f"http://127.0.0.1:{self.metrics_port}/metrics"

    def metrics(self) -> str:
        return fetch(self.metrics_url)[2].decode()

    def log_text(self) -> str:
        return self.log_file.read_text() if self.log_file.exists() else ""

    def events(self, name: str) -> list[dict[str, Any]]:
        # Few of the many lines are looked at closer: this is asked again and again.
        quoted = json.dumps(name)
        lines = [
            json.loads(line)
            for line in self.log_text().splitlines()
            if line.startswith("{") and quoted in line
        ]
        return [line for line in lines if line["event"] == name]

    def signal(self, number: signal.Signals) -> None:
        assert self.process is not None
        self.process.send_signal(number)

    def stop(self) -> int:
        self.signal(signal.SIGTERM)
        return self.wait_for_exit()

    def kill(self) -> None:
        """End it whatever state it is in."""
        if self.process is None or self.process.poll() is not None:
            return
        for child in self.descendants():
            # Some end with each other.
            with contextlib.suppress(psutil.NoSuchProcess):
                child.kill()
        self.process.kill()
        self.process.wait()

    def descendants(self) -> list[psutil.Process]:
        assert self.process is not None
        return psutil.Process(self.process.pid).children(recursive=True)


class StandIn(Service):
    """`seacod run` with the stand-in worker, which starts at once and fails as planned."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.plan_file = directory / "plan.json"
        self.environment["STAND_IN_PLAN"] = str(self.plan_file)
        self.environment["TEST_WORKER"] = str(HERE / "supervisor/stand_in_worker.py")

    @property
    def command(self) -> list[str]:
        return [sys.executable, str(HERE / "run_supervisor.py"), str(self.config)]

    def plan(self, **plan: Any) -> None:
        """How workers behave from the next start on; with `times`, so many of them."""
        temporary = self.plan_file.with_suffix(".new")
        temporary.write_text(json.dumps(plan))
        temporary.rename(self.plan_file)


class Faulty(Service):
    """`seacod run` with the real worker, which fails when told to (tests/faults)."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.environment["SEACOD_TEST_FAULTS"] = str(directory)
        self.environment["TEST_WORKER"] = str(HERE / "faults/faulty_worker.py")

    @property
    def command(self) -> list[str]:
        return [sys.executable, str(HERE / "run_supervisor.py"), str(self.config)]

    def fail(self, fault: str, pid: int | None = None) -> None:
        """Make one worker fail: the one in front unless another is named."""
        temporary = self.directory / "fault.new"
        temporary.write_text(fault)
        temporary.rename(self.directory / f"fault-{pid or self.worker_pid()}")

    def taken_up(self, fault: str, pid: int | None = None) -> None:
        """As `fail`, and wait until the worker does it."""
        pid = pid or self.worker_pid()
        self.fail(fault, pid)
        told = self.directory / f"fault-{pid}"
        wait_until(lambda: not told.exists(), f"a worker that does it: {fault}")

    @contextmanager
    def holding(self, pid: int | None = None) -> Iterator[None]:
        """The worker in front, or that one, recognises nothing meanwhile: there is time to look, on
        any machine."""
        pid = pid or self.worker_pid()
        hold = self.directory / f"hold-{pid}"
        hold.touch()
        try:
            self.taken_up("held", pid)
            yield
        finally:
            hold.unlink()

    def fail_from_the_start(self, fault: str | None) -> None:
        """How every worker from now on begins."""
        file = self.directory / "start-fault"
        if fault is None:
            file.unlink(missing_ok=True)
        else:
            file.write_text(fault)


def fetch(url: str, **headers: str) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body; an HTTP error is an answer, too."""
    request = urllib.request.Request(
        url, headers={k.replace("_", "-"): v for k, v in headers.items()}
    )
    try:
        with _OPENER.open(request, timeout=PATIENCE_SECONDS) as answer:
            return answer.status, dict(answer.headers), answer.read()
    except urllib.error.HTTPError as error:
        return error.code, dict(error.headers), error.read()
