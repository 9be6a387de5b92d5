"""What becomes a message: not the same twice, a count instead of a storm, and word when it is over.

Called on the supervisor's event loop, with what whoever noticed something has published on the bus.
What is remembered lies in the outbox, so that a restart of the supervisor neither repeats an alert
nor forgets that one is open.
"""

from __future__ import annotations

import dataclasses
import sqlite3
from collections.abc import Callable
from typing import Any

import structlog

from seacod.alerts.alert import Alert, Occurrence, Told
from seacod.alerts.kinds import KINDS
from seacod.alerts.outbox import Outbox
from seacod.alerts.unkept import Happening, Unkept
from seacod.config.alerts import AlertSettings
from seacod.config.in_use import SettingsInUse
from seacod.system.clock_jumps import is_unset
from seacod.system.text.terminal import date_and_time

log = structlog.get_logger(__name__)


class Deduplicator:
    """Takes in what happened.

    Args:
        outbox: where messages are kept.
        settings: those in use.
        channels: names of those that are configured.
        clock: Unix seconds.
        evidence: figures and lines that go with every alert.
        on_message: called when something new waits.
        looks_longer_by: by how much what began so many seconds ago may look longer, since the
            clock was set; seconds.
    """

    def __init__(
        self,
        outbox: Outbox,
        settings: SettingsInUse,
        channels: Callable[[], list[str]],
        *,
        clock: Callable[[], float],
        evidence: Callable[[], dict[str, Any]],
        on_message: Callable[[], None],
        looks_longer_by: Callable[[float], float] = lambda seconds: 0.0,
    ) -> None:
        self._outbox = outbox
        self._settings = settings
        self._channels = channels
        self._clock = clock
        self._evidence = evidence
        self._on_message = on_message
        self._looks_longer_by = looks_longer_by
        # What the outbox would not take (a full disk), until it goes on in memory; tried again at
        # each tick.
        self._unkept = Unkept()

    def raised(
        self, kind: str, english: str, chinese: str, *, key: str = "", **evidence: Any
    ) -> None:
        """Something happened, or goes on.

        Args:
            kind: a name of `KINDS`.
            english: what, in a sentence or two, with figures.
            chinese: the same.
            key: what it is about, where there may be several.
            evidence: more figures and lines, for this alert alone.
        """
        text = {"en": english, "zh": chinese}
        self._take(Happening(kind, key, text, self._clock(), evidence=evidence))

    def cleared(self, kind: str, english: str, chinese: str, *, key: str = "") -> None:
        """It is over; told only if its beginning was."""
        text = {"en": english, "zh": chinese}
        self._take(Happening(kind, key, text, self._clock(), is_over=True))

    def tick(self) -> None:
        """Tell what was only counted, once its cool-down is over; keep what could not be kept."""
        settings, now = self._settings.current.alerts, self._clock()
        try:
            self._unkept.hand_over(self._keep)
            for kind, key, told in self._outbox.counted(now - settings.cool_down_seconds, now):
                if kind not in KINDS:
                    continue
                last = self._outbox.last(kind, key)
                text = _counted(told, last, has_recovery=KINDS[kind].has_recovery)
                evidence = {**self._evidence(), **(last.evidence if last is not None else {})}
                alert = Alert(kind, key, text, now, repeated=told.untold, evidence=evidence)
                self._add(alert, dataclasses.replace(told, told_at=now, untold=0), settings)
        except sqlite3.Error as error:
            if self._outbox.refused(error):
                log.error("alerts_not_read", error=str(error))

    def is_open(self, kind: str, key: str = "") -> bool:
        """Whether this alert was raised and is not over."""
        if (waits := self._unkept.last(kind, key)) is not None:
            return not waits.is_over
        try:
            told = self._outbox.told(kind, key)
        except sqlite3.Error as error:
            if self._outbox.failed(error):
                log.error("alerts_not_read", error=str(error))
            return False
        return told is not None and told.is_open

    def _take(self, what: Happening) -> None:
        before = self._unkept.last(what.kind, what.key)
        if before is not None and before.is_over and what.is_over:
            return
        try:
            if before is None:
                self._keep(what)
                return
        except sqlite3.Error as error:
            if self._outbox.refused(error):
                log.error("alert_not_kept", kind=what.kind, text=what.text["en"], error=str(error))
        # Behind what waits of this alert already: an end never overtakes its beginning.
        surroundings = None if what.is_over else self._evidence()
        self._unkept.add(dataclasses.replace(what, surroundings=surroundings))

    def _keep(self, what: Happening) -> None:
        """Into the outbox, as of the moment when it happened.

        Raises:
            sqlite3.Error: it cannot be written; nothing of it was.
        """
        if what.is_over:
            self._keep_end(what)
        else:
            self._keep_beginning(what)

    def _keep_beginning(self, what: Happening) -> None:
        settings, now = self._settings.current.alerts, what.at
        told = self._outbox.told(what.kind, what.key)
        was_open = told is not None and told.is_open
        # Told in the future: the clock was set back meanwhile.
        if told is not None and 0 <= now - told.told_at < settings.cool_down_seconds:
            self._count(what, told)
            return
        around = self._evidence() if what.surroundings is None else what.surroundings
        alert = Alert(
            what.kind, what.key, what.text, now,
            repeated=told.untold if told is not None else 0,
            evidence={**around, **what.evidence},
        )  # fmt: skip
        opened = told.opened_at if told is not None and was_open else now
        self._add(alert, Told(True, opened, now, 0), settings)

    def _keep_end(self, what: Happening) -> None:
        told = self._outbox.told(what.kind, what.key)
        if told is None or not told.is_open:
            return
        closed = dataclasses.replace(told, is_open=False)
        if told.opened_at > told.told_at:
            # It came again within the cool-down and was only counted.
            self._outbox.remember(what.kind, what.key, closed)
            return
        looks = 0.0 if is_unset(told.opened_at, what.at) else what.at - told.opened_at
        lasted_seconds = max(0.0, round(looks - self._looks_longer_by(looks), 1))
        alert = Alert(
            what.kind, what.key, what.text, what.at, is_recovery=True,
            repeated=told.untold, evidence={"lasted_seconds": lasted_seconds},
        )  # fmt: skip
        self._add(alert, dataclasses.replace(closed, untold=0), self._settings.current.alerts)

    def _count(self, what: Happening, told: Told) -> None:
        """One more of what was told a short while ago: in the message that still waits, or else
        kept for a later one. The message that waits may say that it is over; then it has not been
        open since, or something is kept for later already."""
        kind, key = what.kind, what.key
        with self._outbox.at_once():
            is_counted = (
                told.is_open
                and not told.untold
                and self._outbox.counted_in_waiting(kind, key, self._channels())
            )
            opened_at = told.opened_at if told.is_open else what.at
            untold = told.untold + (not is_counted)
            self._outbox.remember(kind, key, Told(True, opened_at, told.told_at, untold))
            self._outbox.remember_last(kind, key, Occurrence(what.at, what.text, what.evidence))

    def _add(self, alert: Alert, told: Told, settings: AlertSettings) -> None:
        muted = {name.strip() for name in settings.muted.split(",")}
        channels = [] if alert.kind in muted else self._channels()
        if not channels:
            # Told to nobody: whoever is configured later hears of the next one at once.
            told = dataclasses.replace(told, told_at=0.0)
        # A clock that was set back has no beginning behind what was told: its end would be silent.
        told = dataclasses.replace(told, opened_at=min(told.opened_at, alert.at))
        self._outbox.add(alert, told, channels, alert.at + settings.gather_seconds)
        log.info(
            "alert_cleared" if alert.is_recovery else "alert_raised",
            kind=alert.kind, key=alert.key, text=alert.text["en"], channels=channels,
        )  # fmt: skip
        if channels:
            self._on_message()


def _counted(told: Told, last: Occurrence | None, *, has_recovery: bool) -> dict[str, str]:
    """What is said of what was only counted: how often, and of the last time when and what."""
    times = "once more" if told.untold == 1 else f"{told.untold} more times"
    english = f"It happened {times} since the last message"
    chinese = f"自上次通知以来又发生了 {told.untold} 次"
    if last is not None:
        at = date_and_time(last.at)
        english += f", the last time at {at}: {last.text['en']}"
        chinese += f"，最近一次在 {at}：{last.text['zh']}"
    else:
        english, chinese = f"{english}.", f"{chinese}。"
    if has_recovery and not told.is_open:
        english, chinese = f"{english} It is over.", f"{chinese}现已恢复。"
    return {"en": english, "zh": chinese}
