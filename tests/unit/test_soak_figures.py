"""What a soak's ledger comes to: sums, slopes and judgements, on ledgers made up here."""

from __future__ import annotations

import dataclasses
import random
import re
import xml.etree.ElementTree as ElementTree

import pytest

from seacod.proving.soak import figures, report
from seacod.proving.soak.chart import Chart, Series
from seacod.proving.soak.ledger import (
    Probe,
    Sample,
    SeenRestart,
    SoakLedger,
    WorkItem,
    WorkKind,
    WorkOutcome,
)
from seacod.proving.soak.timetable import Mix, phases, run_seconds

BEGAN = 1_700_000_000.0
HOUR = 3600.0


def ledger(hours: float = 2.0, mb_per_hour: float = 0.0, wander_mb: float = 0.0) -> SoakLedger:
    """Work every minute, a worker of 800 MB that grows, and wanders slowly about that."""
    chance = random.Random(1)
    made = SoakLedger(
        began=BEGAN, ended=BEGAN + hours * HOUR, service={"model": "m", "device": "d"}
    )
    drift = 0.0
    for second in range(0, int(hours * HOUR), 10):
        at = BEGAN + second
        drift = 0.98 * drift + chance.gauss(0, 0.2) * wander_mb
        size = int(1e6 * (800 + mb_per_hour * second / HOUR + drift))
        made.samples.append(
            Sample(
                at, {"worker": size, "supervisor": 58_000_000}, {"worker": 7, "supervisor": 3}, 1, 0
            )
        )
        made.probes.append(Probe(at, 200, 0.002))
        if second % 60 == 0:
            made.pieces.append(
                WorkItem(
                    Mix.A, WorkKind.RECORDING, at, 120.0, at + 0.3, WorkOutcome.RIGHT, interrupted=0
                )
            )
    return made


def slope_of_worker(found: dict[str, object]) -> dict[str, float]:
    memory = found["memory"]
    assert isinstance(memory, list)
    one: dict[str, float] = next(m for m in memory if m["what"] == "worker")
    return one


def test_a_quiet_run_is_good() -> None:
    found = figures.summary(ledger(), 48, 24)
    assert found["good"], found["problems"]
    assert found["work"]["pieces"] == found["work"]["right"] == 120
    assert found["availability"]["ready_ratio"] == 1
    assert slope_of_worker(found)["bytes_per_hour"] == 0


@pytest.mark.parametrize("grows", [0.0, 3.0, 40.0])
def test_the_slope_lies_in_its_interval(grows: float) -> None:
    one = slope_of_worker(figures.summary(ledger(4.0, grows, wander_mb=2.0), 96, 24))
    assert one["low_bytes_per_hour"] <= grows * 1e6 <= one["high_bytes_per_hour"]
    assert one["low_bytes_per_hour"] < one["bytes_per_hour"] < one["high_bytes_per_hour"]


def test_a_leak_is_told_and_wandering_is_not() -> None:
    found = figures.summary(ledger(4.0, 40.0, wander_mb=2.0), 96, 24)
    assert any("worker grows by 4" in problem for problem in found["problems"])
    assert figures.summary(ledger(4.0, 0.0, wander_mb=4.0), 96, 24)["good"]
    # An hour is not enough to judge.
    assert figures.summary(ledger(1.0, 400.0), 24, 24)["good"]


def test_what_is_lost_wrong_refused_or_restarted_is_told() -> None:
    made = ledger()
    made.pieces[0].outcome = WorkOutcome.LOST
    made.pieces[0].remark = "no answer in 600 s"
    made.pieces[1].outcome = WorkOutcome.WRONG
    made.pieces[2].turned_away = 3
    made.probes[5] = Probe(made.probes[5].at, -1, 0.1)
    made.probes[9] = Probe(made.probes[9].at, 0, 10.0)
    made.probes[10] = Probe(made.probes[10].at, 503, 0.1)
    made.restarts.append(SeenRestart(BEGAN + 100, "signal SIGSEGV"))
    found = figures.summary(made, 48, 24)
    assert found["problems"] == [
        "1 pieces of work were lost",
        "1 pieces of work came back wrong",
        "1 connections were refused",
        "1 probes of /health/ready got no answer",
        "1 restarts nobody asked for (signal SIGSEGV)",
    ]
    assert found["work"]["turned_away"] == 3
    # From the ninth probe to the end of the tenth.
    assert found["availability"]["longest_away_seconds"] == pytest.approx(10.1)
    page = report.page(made, found)
    assert "Not good" in page
    assert "signal SIGSEGV" in page
    assert len(found["problems_zh"]) == 5
    # A drill's restart was asked for.
    made.drills.append({"drill": "kill-worker", "detected_seconds": 0.1, "serving_seconds": 0.2,
                        "lost": 1, "turned_away": 0,
                        "began": BEGAN + 90, "ended": BEGAN + 110})  # fmt: skip
    # So was the silence meanwhile, and no other.
    said = figures.summary(made, 48, 24)["problems"]
    assert not any("restarts" in one or "no answer" in one for one in said)
    made.probes[200] = Probe(made.probes[200].at, 0, 10.0)
    assert "1 probes of /health/ready got no answer" in figures.summary(made, 48, 24)["problems"]


def test_whoever_reads_chinese_gets_the_report_in_chinese(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LC_ALL", "zh_CN.UTF-8")
    made = ledger(4.0, 40.0, wander_mb=2.0)
    made.restarts.append(SeenRestart(BEGAN + 100, "SIGSEGV"))
    made.drills.append({"drill": "kill-worker", "detected_seconds": 0.1, "serving_seconds": None,
                        "lost": 1, "turned_away": 0,
                        "began": BEGAN + 90, "ended": BEGAN + 110})  # fmt: skip
    made.alerts.append("leak")
    page = report.page(made, figures.summary(made, 48, 24))
    assert '<html lang="zh">' in page
    assert "未通过" in page
    text = re.sub(r"<style>.*?</style>|<[^>]*>", " ", page, flags=re.DOTALL)
    words = set(re.findall(r"(?<![A-Za-z/_-])[a-z]{2,}(?![A-Za-z_-])", text))
    # Names: of the command, of an alert, of an address; and a unit.
    assert words <= {"seacod", "soak", "leak", "health", "ready", "ms"}


def test_a_process_that_was_replaced_is_another_one() -> None:
    made = ledger(2.0, 0.0)
    # It ended after a quarter of an hour; the one after it is smaller, and that is no growth.
    for number, one in enumerate(made.samples):
        if number < 90:
            made.samples[number] = dataclasses.replace(
                one, bytes={**one.bytes, "worker": 300_000_000}, pids={**one.pids, "worker": 6}
            )
    found = figures.summary(made, 48, 24)
    one = next(m for m in found["memory"] if m["what"] == "worker")
    assert (one["processes"], one["first_bytes"]) == (2, 800_000_000)
    assert found["good"]


def test_a_run_without_work_is_not_good() -> None:
    made = ledger()
    made.pieces.clear()
    assert figures.summary(made, 1, 1)["problems"] == ["no work was done"]


def test_every_hour_has_every_mix_and_none_overlaps() -> None:
    found = list(phases(3, 20))
    assert run_seconds(3, 20) == 540
    assert found[0].begin == 0
    assert found[-1].end == pytest.approx(540)
    for one, following in zip(found, found[1:], strict=False):
        assert one.begin < one.end == following.begin
    for hour in range(3):
        assert [one.mix for one in found if one.hour == hour] == list(Mix)
    # Cut short.
    assert list(phases(0.5, 20))[-1].end == pytest.approx(90)


def test_the_pictures_are_svg_and_nothing_falls_out() -> None:
    drawn = Chart(
        "a <title>", "MB", [Series("one & two", [(0, 1.0), (50, 37.0)]), Series("none", [])], 100,
        [(20, "SIGKILL <now>")],
    ).svg()  # fmt: skip
    tree = ElementTree.fromstring(drawn)
    line = next(tree.iter("{http://www.w3.org/2000/svg}polyline"))
    for place in line.attrib["points"].split():
        x, y = map(float, place.split(","))
        assert 0 <= x <= 900
        assert 0 <= y <= 240
