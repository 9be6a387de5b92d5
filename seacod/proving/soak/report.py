"""The report of a run as one HTML file that needs nothing else (`templates/soak.html`)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from seacod import __version__
from seacod.proving.drawing import draw
from seacod.proving.soak.chart import Chart, Series
from seacod.proving.soak.figures import TELLING_SECONDS, series
from seacod.proving.soak.ledger import SoakLedger, WorkKind
from seacod.proving.soak.timetable import Mix
from seacod.system.text.terminal import date_and_time

_MIXES = {
    Mix.A.value: "A: five clients, a 2-minute recording every 3 s",
    Mix.B.value: "B: batch, single, microphone, system page",
    Mix.C.value: "C: three recordings of 4.5 minutes at once",
}


def page(ledger: SoakLedger, found: dict[str, Any]) -> str:
    """The whole report as HTML.

    Args:
        ledger: what was written down.
        found: its summary (`figures.summary`).
    """
    return draw(
        "soak.html", found=found, version=__version__, mixes=_MIXES, moment=date_and_time,
        slope=slope, latency=_latency(ledger), load=_load(ledger), memory=_memory(ledger),
    )  # fmt: skip


def slope(one: dict[str, Any]) -> str:
    """The growth of one size, for people."""
    if one["bytes_per_hour"] is None or one["span_seconds"] < TELLING_SECONDS:
        return "too short a time to tell growth from warming up"
    low, high = one["low_bytes_per_hour"] / 1e6, one["high_bytes_per_hour"] / 1e6
    return f"{one['bytes_per_hour'] / 1e6:+.1f} MB an hour (95 %: {low:+.1f} to {high:+.1f})"


def _latency(ledger: SoakLedger) -> Chart:
    drawn = [
        Series(
            f"{mix.value} {kind.value}",
            [(one.ended - ledger.began, one.seconds) for one in ledger.pieces
             if one.mix is mix and one.kind is kind],
            is_line=False,
        )
        for mix in Mix for kind in WorkKind if kind is not WorkKind.PAGE
    ]  # fmt: skip
    return _chart(
        ledger, "From the first try (microphones: the last sound) to the right text", "s", drawn
    )


def _load(ledger: SoakLedger) -> Chart:
    drawn = [
        Series(name, [(one.at - ledger.began, getattr(one, key)) for one in ledger.samples])
        for name, key in (("in flight", "in_flight"), ("waiting", "queue_depth"))
    ]
    return _chart(ledger, "Requests inside", "requests", drawn)


def _memory(ledger: SoakLedger) -> Chart:
    drawn = [
        Series(
            role, [(at - ledger.began, size / 1e6) for points in processes for at, size in points]
        )
        for role, processes in series(ledger)
    ]
    return _chart(ledger, "Resident memory, and used memory of the GPU", "MB", drawn)


def _chart(ledger: SoakLedger, title: str, unit: str, drawn: Sequence[Series]) -> Chart:
    marks = [(one.at - ledger.began, one.cause) for one in ledger.restarts]
    kept = [one for one in drawn if one.points]
    return Chart(title, unit, kept, ledger.ended - ledger.began, marks)
