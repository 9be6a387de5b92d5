"""A reload always comes to an end, also where nobody carries it out any more."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from seacod.config import Settings
from seacod.config.changes import Changes
from seacod.supervisor.bus import Bus
from seacod.supervisor.reload import STUCK_SECONDS, Reloader, ReloadState
from seacod.supervisor.workers.report import OtherProcess, Report
from seacod.supervisor.workers.states import ServiceState


class Systemd:
    """Counts what systemd would hear."""

    def __init__(self) -> None:
        self.ended = 0

    def reloading(self) -> None: ...

    def reloaded(self) -> None:
        self.ended += 1


def reloader() -> tuple[Reloader, Systemd, Report]:
    """One whose workers take an order to be replaced and do nothing about it."""
    report, systemd = Report(state=ServiceState.SERVING), Systemd()
    workers: Any = SimpleNamespace(
        report=report, lives=[SimpleNamespace(report=report)], replace=lambda cause: None
    )
    settings: Any = SimpleNamespace(
        current=Settings(), reload=lambda brings_workers: Changes((), ("asr.model",), ())
    )
    notifier: Any = systemd
    return Reloader(settings, workers, Bus(), notifier), systemd, report


def test_a_reload_that_nobody_carries_out_is_ended_with_a_reason() -> None:
    one, systemd, _ = reloader()
    one.reload()
    one.check(100.0)
    one.check(100.0 + STUCK_SECONDS - 1)
    assert (one.state, systemd.ended) == (ReloadState.RUNNING, 0)
    one.check(100.0 + STUCK_SECONDS)
    assert (one.state, systemd.ended) == (ReloadState.REFUSED, 1)
    assert "did not come to an end" in one.problem


def test_a_reload_that_breaks_off_is_over_for_systemd_too() -> None:
    one, systemd, _ = reloader()

    def broken(brings_workers: bool) -> Changes:
        raise RuntimeError("a mistake of ours")

    one._settings.reload = broken  # type: ignore[method-assign]
    one.reload()
    assert (one.state, systemd.ended) == (ReloadState.REFUSED, 1)
    assert one.problem == "the reload broke off: RuntimeError: a mistake of ours"


def test_a_worker_that_loads_is_waited_for(  # it has a time limit of its own
) -> None:
    one, systemd, report = reloader()
    one.reload()
    report.replacement = OtherProcess(1, "starting", 0.0)
    for second in range(0, 3600, 10):
        one.check(float(second))
    assert (one.state, systemd.ended) == (ReloadState.RUNNING, 0)
    report.replacement = None
    one.check(3600.0)
    one.check(3600.0 + STUCK_SECONDS)
    assert one.state is ReloadState.REFUSED


def test_without_a_reload_nothing_ends() -> None:
    one, systemd, _ = reloader()
    one.check(0.0)
    one.check(10 * STUCK_SECONDS)
    assert (one.state, systemd.ended) == (ReloadState.NONE, 0)
