"""A service of one's own, for benches and `seacod transcribe --local`: real supervisor and worker,
free ports, a scratch directory."""

from __future__ import annotations

import contextlib
import json
import os
import re
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from seacod.client import NEVER, Client, status_socket
from seacod.config.load import load_settings
from seacod.errors import SeacodError
from seacod.proving.progress import telling
from seacod.system.processes.interpreter import python
from seacod.system.text.terminal import in_language
from seacod.system.text.words import Words

# A start that takes longer than this has failed.
_PATIENCE_SECONDS = 600.0
# A start takes seconds: asking more often would only slow it down.
_POLL_SECONDS = 0.05
_TUNING_SECONDS = 60.0
# How the command begins what it says of an error.
_COMPLAINT = "seacod: "
_OF_ANOTHER = (
    "SEACOD_", "LISTEN_", "NOTIFY_SOCKET", "WATCHDOG_", "CREDENTIALS_DIRECTORY", "JOURNAL_STREAM",
    "RUNTIME_DIRECTORY", "STATE_DIRECTORY", "CACHE_DIRECTORY", "LOGS_DIRECTORY",
    "CONFIGURATION_DIRECTORY",
)  # fmt: skip
_FOR_ALL = ("SEACOD_DEBUG", "SEACOD_TEST_FAULTS")


class PrivateService:
    """A running service; made by `private_service`."""

    def __init__(self, directory: Path, port: int, process: subprocess.Popen[bytes]) -> None:
        self.directory = directory
        self.url = f"http://127.0.0.1:{port}"
        self.process = process
        self.began = time.monotonic()

    @property
    def status_socket(self) -> Path:
        return self.directory / "run" / "status.sock"

    def status(self) -> dict[str, Any]:
        """The snapshot; empty while the service does not answer."""
        try:
            return status_socket.status_at(self.status_socket)
        except (OSError, ValueError):
            return {}

    def wait_until(self, condition: Callable[[], Any], what: str) -> Any:
        """The condition's first true value.

        Raises:
            SeacodError: it never became true, or the service ended; with the end of its log.
        """
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while time.monotonic() < deadline and self.process.poll() is None:
            if value := condition():
                return value
            time.sleep(_POLL_SECONDS)
        log = (self.directory / "log").read_text("utf-8", "replace")
        if reason := _reason(log):
            raise SeacodError(*reason)
        raise SeacodError(
            f"the private service never had {what}; its log ends:\n{log[-2000:]}",
            f"测试用服务未能就绪；其日志末尾为：\n{log[-2000:]}",
        )

    def wait_until_serving(self) -> None:
        """Wait until its model answers; what it is busy with is told on standard error."""
        with telling() as tell:

            def is_serving() -> bool:
                worker = self.status().get("worker") or {}
                stage = str(worker.get("stage") or "")
                tell(in_language(stage, str(worker.get("stage_zh") or stage)))
                return worker.get("state") == "serving"

            self.wait_until(is_serving, "a worker")

    def wait_for_nursery(self) -> int:
        """Wait until the next worker can be forked at once; returns the nursery's pid."""

        def ready() -> int | None:
            nursery = self.status().get("nursery") or {}
            return nursery["pid"] if nursery.get("state") == "ready" else None

        return int(self.wait_until(ready, "a nursery that has loaded"))

    def wait_for_waiting_worker(self) -> int:
        """Wait until one is forked ahead; returns its pid."""
        return int(
            self.wait_until(
                lambda: (self.status().get("nursery") or {}).get("waiting_pid"),
                "a worker forked ahead",
            )
        )

    def wait_until_tuned(self) -> None:
        """Wait until batch sizes are measured, which a worker does while nobody asks for anything;
        no longer than that should take, since a device may have too few sizes to compare. Where
        the environment switches it off, there is nothing to wait for."""
        if load_settings(self.directory / "seacod.yaml").asr.tune == "off":
            return
        file = self.directory / "state" / "tuning.json"
        deadline = time.monotonic() + _TUNING_SECONDS
        self.wait_until(lambda: file.exists() or time.monotonic() > deadline, "batch sizes")

    def transcribe(self, recording: Path) -> str | None:
        """The text of a recording; None when the service could not take it now."""
        try:
            with Client(self.url, retry=NEVER, silence_seconds=_PATIENCE_SECONDS) as client:
                return client.transcribe(recording).text
        except SeacodError:
            return None


@contextlib.contextmanager
def private_service(model: str, /, **sections: dict[str, object]) -> Iterator[PrivateService]:
    """Start a service, wait until it serves, stop it afterwards whatever happened.

    Args:
        model: asr.model.
        sections: further settings, by section.
    """
    with (
        tempfile.TemporaryDirectory(prefix="seacod-bench-") as scratch,
        starting(Path(scratch), model, None, **sections) as service,
    ):
        service.wait_until_serving()
        yield service


@contextlib.contextmanager
def starting(
    directory: Path, model: str, tree: Path | None, **sections: dict[str, object]
) -> Iterator[PrivateService]:
    """Start a service and stop it afterwards; it has just begun.

    Args:
        directory: of its state, its log and everything else.
        model: asr.model.
        tree: what holds the package `seacod` to be run; None for this one.
        sections: further settings, by section.
    """
    asr, server = sections.pop("asr", {}), sections.pop("server", {})
    port = free_port()
    config = directory / "seacod.yaml"
    config.write_text(
        json.dumps(
            {
                "server": {"host": "127.0.0.1", "port": port, **server},
                "metrics": {"port": free_port()},
                "asr": {"model": model, **asr},
                "paths": {
                    "state_directory": str(directory / "state"),
                    "runtime_directory": str(directory / "run"),
                },
                **sections,
                "log": {"format": "json"},
            }
        ),
        "utf-8",
    )
    environment = _environment(tree)
    with (directory / "log").open("wb") as log:
        process = subprocess.Popen(
            python("-m", "seacod", "run", "--config", str(config)),
            stdout=log, stderr=log, env=environment,
        )  # fmt: skip
    service = PrivateService(directory, port, process)
    try:
        yield service
    finally:
        process.terminate()
        try:
            process.wait(90)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _environment(tree: Path | None) -> dict[str, str]:
    """Ours, without what is meant for another service: settings in variables, systemd's sockets,
    directories and secrets."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(_OF_ANOTHER) or name in _FOR_ALL
    }
    return {**kept, "PYTHONPATH": str(tree)} if tree is not None else kept


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _reason(log: str) -> Words | None:
    """Why a service gave up, in its own words; None when it has not said."""
    for line in log.splitlines():
        if '"supervisor_gave_up"' in line:
            with contextlib.suppress(ValueError):
                told = json.loads(line)
                return str(told["text"]), str(told.get("text_zh") or told["text"])
        if line.startswith(_COMPLAINT):
            # Of a file that the reader has not written, its place says nothing.
            said = re.sub(r"^\S+seacod\.yaml:\d+[:：] ?", "", line.removeprefix(_COMPLAINT))
            return said, said
    return None
