"""What a ledger comes to, as plain values: the JSON of a report."""

from __future__ import annotations

import itertools
import os
import statistics
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import psutil
from scipy import stats

from seacod.proving.soak.ledger import (
    Probe,
    SoakLedger,
    WorkItem,
    WorkKind,
    WorkOutcome,
    role_in_chinese,
)
from seacod.proving.soak.timetable import Mix
from seacod.proving.statistics import quantile
from seacod.system.text.words import Words

# A process fills its caches first; that is no growth.
_WARM_UP_SHARE = 0.2
_BLOCKS = 24
_FEWEST_BLOCKS = 6
_CONFIDENCE = 0.95
# A shorter run cannot tell growth from warming up.
TELLING_SECONDS = 1800.0
# The supervisor keeps an hour of figures: growth is judged where that has long been full.
_JUDGED_SECONDS = 7200.0
# So much of its size in 72 hours is worth a word.
_WORTH_SHARE, _WORTH_HOURS = 0.2, 72.0


def summary(ledger: SoakLedger, hours: float, speed: float) -> dict[str, Any]:
    """Everything a report says."""
    pieces = ledger.pieces
    found: dict[str, Any] = {
        "service": ledger.service,
        "machine": {"cores": os.cpu_count(), "memory_bytes": psutil.virtual_memory().total},
        "began": ledger.began,
        "seconds": round(ledger.ended - ledger.began, 1),
        "hours": hours,
        "speed": speed,
        "ended_early": ledger.is_early,
        "work": {
            "pieces": len(pieces),
            "audio_seconds": sum(one.audio_seconds for one in pieces),
            **{one.value: _count(pieces, one) for one in WorkOutcome},
            "turned_away": sum(one.turned_away for one in pieces),
            "interrupted": sum(one.interrupted for one in pieces),
            "refused": sum(one.refused for one in pieces),
        },
        "mixes": _mixes(pieces),
        "availability": _availability(ledger),
        "memory": list(_memory(ledger)),
        "restarts": [{"at": one.at, "cause": one.cause} for one in ledger.restarts],
        "drills": ledger.drills,
        "alerts": ledger.alerts,
        "remarks": dict(Counter(one.remark for one in pieces if one.remark).most_common(10)),
    }
    problems = list(_problems(found, ledger))
    found["problems"] = [english for english, _ in problems]
    found["problems_zh"] = [chinese for _, chinese in problems]
    found["good"] = not found["problems"]
    return found


def _count(pieces: Sequence[WorkItem], outcome: WorkOutcome) -> int:
    return sum(one.outcome is outcome for one in pieces)


def _mixes(pieces: Sequence[WorkItem]) -> list[dict[str, Any]]:
    rows = []
    for mix, kind in itertools.product(Mix, WorkKind):
        own = [one for one in pieces if one.mix is mix and one.kind is kind]
        if not own:
            continue
        seconds = [one.seconds for one in own]
        rows.append(
            {
                "mix": mix.value,
                "kind": kind.value,
                "pieces": len(own),
                "audio_seconds": sum(one.audio_seconds for one in own),
                **{one.value: _count(own, one) for one in WorkOutcome},
                "turned_away": sum(one.turned_away for one in own),
                "interrupted": sum(one.interrupted for one in own),
                "p50_seconds": round(quantile(seconds, 0.5), 3),
                "p95_seconds": round(quantile(seconds, 0.95), 3),
                "max_seconds": round(max(seconds), 3),
            }
        )
    return rows


def _availability(ledger: SoakLedger) -> dict[str, Any]:
    probes = ledger.probes
    count = max(1, len(probes))
    longest, away_since = 0.0, None
    for one in probes:
        if one.answer == 200:
            away_since = None
        else:
            away_since = away_since if away_since is not None else one.at
            longest = max(longest, one.at + one.seconds - away_since)
    return {
        "probes": len(probes),
        "ready_ratio": sum(one.answer == 200 for one in probes) / count,
        "answered_ratio": sum(one.answer > 0 for one in probes) / count,
        "refused": sum(one.answer == -1 for one in probes),
        "longest_away_seconds": round(longest, 2),
        "p99_seconds": round(quantile([one.seconds for one in probes], 0.99), 4),
    }


def series(ledger: SoakLedger) -> Iterator[tuple[str, list[list[tuple[float, int]]]]]:
    """Sizes over time by role, and in it by process, in order of time."""
    roles = dict.fromkeys(role for one in ledger.samples for role in one.bytes)
    for role in roles:
        own = [one for one in ledger.samples if role in one.bytes]
        yield (
            role,
            [
                [(one.at, one.bytes[role]) for one in several]
                for _, several in itertools.groupby(own, lambda one: one.pids.get(role, 0))  # noqa: B023
            ],
        )


def _memory(ledger: SoakLedger) -> Iterator[dict[str, Any]]:
    """Growth of the process of each role that was there the longest."""
    for role, processes in series(ledger):
        longest = max(processes, key=lambda points: points[-1][0] - points[0][0])
        yield {**_slope(role, longest), "processes": len(processes)}


def _slope(what: str, points: Sequence[tuple[float, int]]) -> dict[str, Any]:
    """Growth of one size, with its 95 % confidence interval.

    The least-squares line through means of blocks: neighbouring samples are much alike, and to
    count each of them would make the interval far too narrow; means of blocks hardly depend on each
    other.
    """
    began = points[0][0] + _WARM_UP_SHARE * (points[-1][0] - points[0][0])
    late = [(at, size) for at, size in points if at >= began]
    per_block = max(1, len(late) // _BLOCKS)
    blocks = [late[i : i + per_block] for i in range(0, len(late), per_block)]
    found: dict[str, Any] = {
        "what": what,
        "samples": len(points),
        "span_seconds": round(points[-1][0] - points[0][0], 1),
        "first_bytes": points[0][1],
        "last_bytes": points[-1][1],
        "max_bytes": max(size for _, size in points),
        "bytes_per_hour": None,
        "low_bytes_per_hour": None,
        "high_bytes_per_hour": None,
    }
    if len(blocks) >= _FEWEST_BLOCKS:
        hours = [statistics.fmean(at - points[0][0] for at, _ in block) / 3600 for block in blocks]
        sizes = [statistics.fmean(size for _, size in block) for block in blocks]
        slope, wide = 0.0, 0.0
        # Of sizes that are all the same scipy has no error.
        if max(sizes) > min(sizes):
            line = stats.linregress(hours, sizes)
            slope = float(line.slope)
            wide = float(stats.t.ppf((1 + _CONFIDENCE) / 2, len(blocks) - 2)) * float(line.stderr)
        found["bytes_per_hour"] = round(slope)
        found["low_bytes_per_hour"] = round(slope - wide)
        found["high_bytes_per_hour"] = round(slope + wide)
    return found


def _problems(found: dict[str, Any], ledger: SoakLedger) -> Iterator[Words]:
    """What is not as it should be, in words."""
    work, away = found["work"], found["availability"]
    if not work["pieces"]:
        yield "no work was done", "没有完成任何任务"
    if lost := work["lost"]:
        yield f"{lost} pieces of work were lost", f"丢失 {lost} 个任务"
    if wrong := work["wrong"]:
        yield f"{wrong} pieces of work came back wrong", f"{wrong} 个任务的结果有误"
    if refused := work["refused"] + away["refused"]:
        yield f"{refused} connections were refused", f"{refused} 个连接被拒绝"
    silent = sum(one.answer == 0 and not _in_drill(one, ledger) for one in ledger.probes)
    if silent:
        yield (
            f"{silent} probes of /health/ready got no answer",
            f"{silent} 次 /health/ready 探测没有响应",
        )
    unasked = len(ledger.restarts) - len(ledger.drills)
    if unasked > 0:
        causes = sorted({one.cause for one in ledger.restarts})
        yield (
            f"{unasked} restarts nobody asked for ({', '.join(causes)})",
            f"{unasked} 次意外重启（{'、'.join(causes)}）",
        )
    for one in found["memory"]:
        if _grows(one):
            keys = ("bytes_per_hour", "low_bytes_per_hour", "high_bytes_per_hour")
            rate, low, high = (f"{one[key] / 1e6:.1f}" for key in keys)
            yield (
                f"{one['what']} grows by {rate} MB an hour (95 %: {low} to {high})",
                f"{role_in_chinese(one['what'])} 每小时增长 {rate} MB"
                f"（95 % 置信区间：{low} 至 {high}）",
            )


def _in_drill(probe: Probe, ledger: SoakLedger) -> bool:
    """Whether a fault was let in at that time: nobody answers for a worker that hangs."""
    return any(
        probe.at < drill["ended"] and probe.at + probe.seconds > drill["began"]
        for drill in ledger.drills
    )


def _grows(one: dict[str, Any]) -> bool:
    low = one["low_bytes_per_hour"]
    if low is None or one["span_seconds"] < _JUDGED_SECONDS:
        return False
    return bool(low * _WORTH_HOURS > _WORTH_SHARE * one["first_bytes"])
