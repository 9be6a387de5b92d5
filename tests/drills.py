"""Fault drills: a fault, a service under load, and what it cost, as a row of docs/faults.md.

    with Drill(page, service, "worker killed (SIGKILL)") as drill:
        drill.inject(lambda: os.kill(pid, signal.SIGKILL))
        drill.detected_by("worker_exited")
        drill.wait_for_answer()

Nothing is asserted about durations; they are written down.
"""

from __future__ import annotations

import datetime
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

import sounds
from supervised import Service, wait_until

from seacod.proving.load import ClientLoad

CLIENTS = 2


@dataclass(slots=True)
class Row:
    """One line of the table; seconds are None where the word does not apply."""

    fault: str
    worker: str
    detected_seconds: float | None = None
    serving_seconds: float | None = None
    lost: int = 0
    turned_away: int = 0
    remark: str = ""

    @property
    def is_bare(self) -> bool:
        """A fault that takes no service away: only the remark tells."""
        return (self.detected_seconds, self.serving_seconds, self.lost) == (None, None, 0) and bool(
            self.remark
        )


@dataclass(slots=True)
class FaultsPage:
    """Collects the rows of a test run and writes them as docs/faults.md when asked to."""

    rows: list[Row] = field(default_factory=list)

    def write(self, file: Path) -> None:
        head = (Path(__file__).parent / "faults" / "page_head.md").read_text("utf-8")
        lines = [
            "| fault | worker | detected after | serving again after | lost | turned away | |",
            "|---|---|---|---|---|---|---|",
        ]
        for row in self.rows:
            cells = [
                row.fault,
                row.worker,
                "" if row.detected_seconds is None else f"{row.detected_seconds:.1f} s",
                "" if row.is_bare else _seconds(row.serving_seconds),
                str(row.lost),
                str(row.turned_away),
                row.remark,
            ]
            lines.append("| " + " | ".join(cells) + " |")
        file.write_text(head.rstrip() + "\n\n" + "\n".join(lines) + "\n", "utf-8")


def _seconds(value: float | None) -> str:
    return "never away" if value is None else f"{value:.1f} s"


class Drill:
    """One fault under load; a context manager.

    Args:
        page: where the row goes.
        service: running; its port and log are used.
        fault: for the table.
        worker: which worker it was: real, or the stand-in.
        recording: what the clients post; None for `GET /`.
        pause_seconds: of a client that has its answer. For drills that kill nobody: a recording
            that was alone in two workers when they died is refused; without a pause none is alone.
    """

    def __init__(
        self,
        page: FaultsPage,
        service: Service,
        fault: str,
        *,
        worker: str = "real",
        recording: bytes | None = sounds.SPEECH.read_bytes(),
        pause_seconds: float = 0.0,
    ) -> None:
        self.row = Row(fault, worker)
        self.service = service
        # Turned away, a client comes back soon, rather than taking the processor from the start
        # it waits for.
        self.load = ClientLoad(
            service.port, clients=CLIENTS, recording=recording, pause_after_503_seconds=0.1,
            pause_seconds=pause_seconds,
        )  # fmt: skip
        self._page = page
        # How many processes die in this drill.
        self.per_kill = 1
        self._injected_at = 0.0
        self._detected_at: float | None = None

    def __enter__(self) -> Drill:
        self.load.__enter__()
        wait_until(
            lambda: self.load.seen["200"] >= CLIENTS, lambda: self._told("answers before the fault")
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        self.load.__exit__(kind, error, _)
        if kind is not None:
            return
        seen = self.load.seen
        self.row.lost = seen["cut"]
        self.row.turned_away = seen["503"]
        assert seen["refused"] == 0, seen
        assert seen["hung"] == 0, seen
        # At most the requests that were inside the process that went.
        assert seen["cut"] <= CLIENTS * self.per_kill, seen
        self._page.rows.append(self.row)

    def inject(self, fault: Callable[[], object]) -> None:
        """Now."""
        self._injected_at = time.time()
        self._detected_at = None
        fault()

    def detected_by(self, event: str, **facts: Any) -> dict[str, Any]:
        """Wait for the supervisor's log line that shows that it noticed."""

        def found() -> dict[str, Any] | None:
            for line in self.service.events(event):
                at = datetime.datetime.fromisoformat(line["timestamp"]).timestamp()
                if at >= self._injected_at and facts.items() <= line.items():
                    self._detected_at = at
                    return line
            return None

        line: dict[str, Any] = wait_until(
            found, lambda: f"{event} {facts}; log:\n{self.service.log_text()[-4000:]}"
        )
        assert self._detected_at is not None
        self.row.detected_seconds = self._detected_at - self._injected_at
        return line

    def wait_for_answer(self) -> None:
        """Wait until a request that began after the detection is answered."""
        since = self._detected_at or self._injected_at
        answer = wait_until(
            lambda: self.load.first_answer_after(since),
            lambda: self._told("an answer after the fault"),
        )
        self.row.serving_seconds = answer.ended - self._injected_at

    def _told(self, what: str) -> str:
        return f"{what}: {self.load.seen}; log:\n{self.service.log_text()[-4000:]}"

    def nothing_lost(self) -> None:
        """No request may have failed in any way."""
        answered = self.load.seen["200"]
        wait_until(lambda: self.load.seen["200"] > answered + CLIENTS, "more answers")
        assert self.load.failed() == {}, self.load.failed()
