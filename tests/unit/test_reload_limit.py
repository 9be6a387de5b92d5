"""A reload always comes to an end, also where nobody carries it out any more."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from seacod.config.changes import Changes
from seacod.config.schema import Settings
from seacod.supervisor.bus import Bus
from seacod.supervisor.reload import STUCK_SECONDS, Reloader, ReloadState
from seacod.supervisor.settings import SettingsHolder
from seacod.supervisor.workers.report import OtherProcess, Report
from seacod.supervisor.workers.states import ServiceState


class Systemd:
    """Counts what systemd would hear."""

    def __init__(self) -> None:
        self.ended = 0

    def reloading(self) -> None: ...

    def reloaded(self) -> None:
        self.ended += 1


FRESH = Settings.model_validate({"asr": {"device": "cpu"}, "limits": {"queue_length": 9}})


def reloader(
    replace: Callable[[str], None] = lambda cause: None,
) -> tuple[Reloader, Systemd, Report, SettingsHolder]:
    """One whose workers take an order to be replaced and do nothing about it."""
    report, systemd = Report(state=ServiceState.SERVING), Systemd()
    settings = SettingsHolder(Settings(), lambda: FRESH)
    workers: Any = SimpleNamespace(
        report=report,
        lives=[SimpleNamespace(report=report)],
        replace=replace,
        apply=lambda changed: None,
        go_back=lambda cause: settings.go_back(),
    )
    notifier: Any = systemd
    return Reloader(settings, workers, Bus(), notifier), systemd, report, settings


def test_a_reload_that_nobody_carries_out_is_ended_with_a_reason() -> None:
    one, systemd, _, settings = reloader()
    one.reload()
    assert settings.current.limits.queue_length == 9
    one.check(100.0)
    one.check(100.0 + STUCK_SECONDS - 1)
    assert (one.state, systemd.ended) == (ReloadState.RUNNING, 0)
    one.check(100.0 + STUCK_SECONDS)
    assert (one.state, systemd.ended) == (ReloadState.REFUSED, 1)
    assert "did not come to an end" in one.problem[0]
    # Nor do its settings stay: what starts from now on has those before.
    assert settings.current == Settings()


def test_new_settings_of_the_log_reach_the_supervisors_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    told: list[tuple[str, str]] = []
    monkeypatch.setattr(
        "seacod.supervisor.reload.logs.configure", lambda log, who: told.append((log.level, who))
    )
    one, _, _, settings = reloader()
    for section, expected in (("limits", []), ("log", [("debug", "supervisor")])):
        fresh = {"limits": {"queue_length": 9}, "log": {"level": "debug"}}[section]
        settings._read = lambda fresh={section: fresh}: Settings.model_validate(fresh)
        one.reload()
        assert (one.state, told) == (ReloadState.DONE, expected)


def test_a_reload_that_breaks_off_leaves_the_settings_before() -> None:
    def breaks(cause: str) -> None:
        raise RuntimeError("a bug")

    one, systemd, _, settings = reloader(breaks)
    one.reload()
    assert (one.state, systemd.ended) == (ReloadState.REFUSED, 1)
    assert settings.current == Settings()
    settings.go_back()
    assert settings.current == Settings()


def test_a_reload_that_breaks_off_is_over_for_systemd_too() -> None:
    one, systemd, _, settings = reloader()

    def broken(*, brings_workers: bool) -> Changes:
        raise RuntimeError("a mistake of ours")

    settings.reload = broken  # type: ignore[method-assign]
    one.reload()
    assert (one.state, systemd.ended) == (ReloadState.REFUSED, 1)
    assert one.problem[0] == "the reload broke off: RuntimeError: a mistake of ours"


def test_a_worker_that_loads_is_waited_for(  # it has a time limit of its own
) -> None:
    one, systemd, report, _ = reloader()
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
    one, systemd, *_ = reloader()
    one.check(0.0)
    one.check(10 * STUCK_SECONDS)
    assert (one.state, systemd.ended) == (ReloadState.NONE, 0)
