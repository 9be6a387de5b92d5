"""The report of a run as one HTML file that needs nothing else."""

from __future__ import annotations

import datetime
import html
from collections.abc import Iterable, Sequence
from typing import Any

from seacod import __version__
from seacod.proving.soak.chart import Chart, Series
from seacod.proving.soak.figures import TELLING_SECONDS, series
from seacod.proving.soak.ledger import SoakLedger, WorkKind
from seacod.proving.soak.timetable import Mix

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; color: #0f172a; max-width: 60rem; margin: 2rem auto;
       padding: 0 1rem }
h1 { font-size: 1.4rem } h2 { font-size: 1.1rem; margin-top: 2rem }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums }
th, td { text-align: right; padding: .25rem .6rem; border-bottom: 1px solid #e2e8f0 }
td { white-space: nowrap } td:first-child { white-space: normal; min-width: 11rem }
th:first-child, td:first-child { text-align: left }
.verdict { padding: .8rem 1rem; border-radius: .5rem; background: #fee2e2 }
.verdict.good { background: #dcfce7 }
svg { width: 100%; height: auto; margin-top: 1rem }
"""
_MIXES = {
    Mix.A: "A: five clients, a 2-minute recording every 3 s",
    Mix.B: "B: batch, single, microphone, system page",
    Mix.C: "C: three recordings of 4.5 minutes at once",
    Mix.REST: "rest",
}


def page(ledger: SoakLedger, found: dict[str, Any]) -> str:
    """The whole report as HTML.

    Args:
        ledger: what was written down.
        found: its summary (`figures.summary`).
    """
    began = datetime.datetime.fromtimestamp(ledger.began).strftime("%Y-%m-%d %H:%M:%S")
    service = found["service"]
    parts = [
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width">'
        f"<title>seacod soak, {began}</title><style>{_STYLE}</style></head><body>",
        "<h1>seacod soak 浸泡测试报告</h1>",
        f"<p>{_text(began)}, {found['seconds'] / 60:.1f} min: {found['hours']:g} hours of the "
        f"timetable at {found['speed']:g} times their speed"
        f"{', ended early' if found['ended_early'] else ''}. seacod {_text(__version__)}, "
        f"{_text(service.get('model'))} on {_text(service.get('device'))}, "
        f"{found['machine']['cores']} cores.</p>",
        _verdict(found),
        "<h2>Availability 可用性</h2>",
        _availability(found),
        "<h2>Work 任务</h2>",
        _work(found),
        _latency(ledger).svg(),
        _load(ledger).svg(),
        "<h2>Memory 内存</h2>",
        _memory_table(found["memory"]),
        _memory(ledger).svg(),
        *_events(found),
        "</body></html>",
    ]
    return "\n".join(parts) + "\n"


def _verdict(found: dict[str, Any]) -> str:
    if found["good"]:
        return (
            '<p class="verdict good"><b>Good.</b> Nothing lost, nothing wrong, no connection '
            "refused, no restart nobody asked for. 通过：没有丢失，没有错误结果。</p>"
        )
    items = "".join(f"<li>{_text(one)}</li>" for one in found["problems"])
    return f'<div class="verdict"><b>Not good 未通过</b><ul>{items}</ul></div>'


def _availability(found: dict[str, Any]) -> str:
    away = found["availability"]
    return _table(
        ("", "probes of /health/ready", "ready", "answered", "refused", "longest away", "p99"),
        [(
            "once a second", away["probes"], f"{away['ready_ratio']:.3%}",
            f"{away['answered_ratio']:.3%}", away["refused"],
            f"{away['longest_away_seconds']:.1f} s", f"{away['p99_seconds'] * 1000:.0f} ms",
        )],
    )  # fmt: skip


def _work(found: dict[str, Any]) -> str:
    head = ("mix", "what", "pieces", "audio", "right", "wrong", "lost", "turned away", "sent again",
            "p50", "p95", "max")  # fmt: skip
    rows = [
        (
            _MIXES[Mix(one["mix"])] if number == 0 or one["mix"] != before else "", one["kind"],
            one["pieces"], f"{one['audio_seconds'] / 60:.0f} min", one["right"], one["wrong"],
            one["lost"], one["turned_away"], one["interrupted"], f"{one['p50_seconds']:.2f} s",
            f"{one['p95_seconds']:.2f} s", f"{one['max_seconds']:.2f} s",
        )
        for number, (one, before) in enumerate(
            zip(found["mixes"], [None, *(one["mix"] for one in found["mixes"])], strict=False)
        )
    ]  # fmt: skip
    work = found["work"]
    counts = (work[key] for key in ("right", "wrong", "lost", "turned_away", "interrupted"))
    total = (
        "all",
        "",
        work["pieces"],
        f"{work['audio_seconds'] / 60:.0f} min",
        *counts,
        "",
        "",
        "",
    )
    return _table(head, [*rows, total])


def slope(one: dict[str, Any]) -> str:
    """The growth of one size, for people."""
    if one["bytes_per_hour"] is None or one["span_seconds"] < TELLING_SECONDS:
        return "too short a time to tell growth from warming up"
    low, high = one["low_bytes_per_hour"] / 1e6, one["high_bytes_per_hour"] / 1e6
    return f"{one['bytes_per_hour'] / 1e6:+.1f} MB an hour (95 %: {low:+.1f} to {high:+.1f})"


def _memory_table(memory: list[dict[str, Any]]) -> str:
    head = ("", "processes", "first", "last", "greatest", "slope of the longest, after warming up")
    rows = [
        (one["what"], one["processes"], *(f"{one[key] / 1e6:.1f} MB" for key in
                        ("first_bytes", "last_bytes", "max_bytes")), slope(one))
        for one in memory
    ]  # fmt: skip
    return _table(head, rows)


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
    def curve(name: str, key: str) -> Series:
        points = [(one.at - ledger.began, float(getattr(one, key))) for one in ledger.samples]
        return Series(name, points)

    drawn = [curve("in flight", "in_flight"), curve("waiting", "queue_depth")]
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


def _events(found: dict[str, Any]) -> list[str]:
    parts = []
    if found["restarts"]:
        rows = [(_clock(one["at"]), one["cause"]) for one in found["restarts"]]
        parts += ["<h2>Restarts 重启</h2>", _table(("at", "cause"), rows)]
    if found["drills"]:
        drilled = [
            (one["drill"], f"{one['detected_seconds']:.1f} s",
             "never away" if one["serving_seconds"] is None else f"{one['serving_seconds']:.1f} s",
             one["lost"], one["turned_away"])
            for one in found["drills"]
        ]  # fmt: skip
        head = ("drill", "detected after", "serving again after", "lost of its own", "turned away")
        parts += ["<h2>Drills 故障演练</h2>", _table(head, drilled)]
    if found["alerts"]:
        parts.append(f"<p>Alerts that were open: {_text(', '.join(found['alerts']))}</p>")
    if found["remarks"]:
        parts += ["<h2>Remarks 备注</h2>", _table(("", ""), list(found["remarks"].items()))]
    return parts


def _table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    top = "".join(f"<th>{_text(one)}</th>" for one in head)
    body = "".join(
        "<tr>" + "".join(f"<td>{_text(cell)}</td>" for cell in row) + "</tr>" for row in rows
    )
    return f"<table><tr>{top}</tr>{body}</table>"


def _text(value: object) -> str:
    return html.escape(str(value))


def _clock(at: float) -> str:
    return datetime.datetime.fromtimestamp(at).strftime("%H:%M:%S")
