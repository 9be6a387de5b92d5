"""The report of a run as one HTML file that needs nothing else (`templates/soak.html`)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from seacod import __version__
from seacod.proving.drawing import draw
from seacod.proving.soak.chart import Chart, Series
from seacod.proving.soak.figures import TELLING_SECONDS, series
from seacod.proving.soak.ledger import SoakLedger, WorkKind, role_in_chinese
from seacod.proving.soak.timetable import Mix
from seacod.system.text.terminal import date_and_time
from seacod.system.text.terminal import in_language as say

_MIXES = {
    Mix.A.value: ("A: five clients, a 2-minute recording every 3 s",
                  "A：5 个客户端，每 3 秒一段 2 分钟录音"),
    Mix.B.value: ("B: batch, single, microphone, system page",
                  "B：批量、单个录音、麦克风、系统页面"),
    Mix.C.value: ("C: three recordings of 4.5 minutes at once",
                  "C：3 段 4.5 分钟录音同时识别"),
    "all": ("all", "合计"),
}  # fmt: skip
_KINDS = {
    "": ("", ""),
    WorkKind.RECORDING.value: ("recording", "录音"),
    WorkKind.BATCH.value: ("batch", "批量任务"),
    WorkKind.MICROPHONE.value: ("microphone", "麦克风"),
    WorkKind.PAGE.value: ("page", "网页"),
}


def page(ledger: SoakLedger, found: dict[str, Any]) -> str:
    """The whole report as HTML.

    Args:
        ledger: what was written down.
        found: its summary (`figures.summary`).
    """
    return draw(
        "soak.html", found=found, version=__version__, mixes=_MIXES, moment=date_and_time,
        slope=slope, role=shown_role, kinds=_KINDS, latency=_latency(ledger), load=_load(ledger),
        memory=_memory(ledger),
    )  # fmt: skip


def shown_role(role: str) -> str:
    """A role of the service's processes, for people."""
    return say(role, role_in_chinese(role))


def slope(one: dict[str, Any]) -> str:
    """The growth of one size, for people."""
    if one["bytes_per_hour"] is None or one["span_seconds"] < TELLING_SECONDS:
        return say(
            "too short a time to tell growth from warming up", "时间太短，无法区分增长与预热"
        )
    low, high = one["low_bytes_per_hour"] / 1e6, one["high_bytes_per_hour"] / 1e6
    rate = one["bytes_per_hour"] / 1e6
    return say(
        f"{rate:+.1f} MB an hour (95 %: {low:+.1f} to {high:+.1f})",
        f"每小时 {rate:+.1f} MB（95 %：{low:+.1f} 至 {high:+.1f}）",
    )


def _latency(ledger: SoakLedger) -> Chart:
    drawn = [
        Series(
            f"{mix.value} {say(*_KINDS[kind.value])}",
            [(one.ended - ledger.began, one.seconds) for one in ledger.pieces
             if one.mix is mix and one.kind is kind],
            is_line=False,
        )
        for mix in Mix for kind in WorkKind if kind is not WorkKind.PAGE
    ]  # fmt: skip
    return _chart(
        ledger,
        say(
            "From the first try (microphones: the last sound) to the right text",
            "从首次尝试（麦克风：最后一个音）到得到正确文字",
        ),
        say("s", "秒"),
        drawn,
    )


def _load(ledger: SoakLedger) -> Chart:
    drawn = [
        Series(name, [(one.at - ledger.began, getattr(one, key)) for one in ledger.samples])
        for name, key in (
            (say("in flight", "处理中"), "in_flight"),
            (say("waiting", "排队"), "queue_depth"),
        )
    ]
    return _chart(ledger, say("Requests inside", "服务内的请求"), say("requests", "个"), drawn)


def _memory(ledger: SoakLedger) -> Chart:
    drawn = [
        Series(
            shown_role(role),
            [(at - ledger.began, size / 1e6) for points in processes for at, size in points],
        )
        for role, processes in series(ledger)
    ]
    return _chart(
        ledger,
        say("Resident memory, and used memory of the GPU", "常驻内存与已用显存"),
        "MB",
        drawn,
    )


def _chart(ledger: SoakLedger, title: str, unit: str, drawn: Sequence[Series]) -> Chart:
    marks = [(one.at - ledger.began, one.cause) for one in ledger.restarts]
    kept = [one for one in drawn if one.points]
    return Chart(title, unit, kept, ledger.ended - ledger.began, marks)
