"""docs/metrics.md: every metric with its type, labels and meaning, from the code that makes it."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry

from seacod.archive.progress import ArchiveMetrics, ArchiveProgress
from seacod.archive.progress import registry as bulk_registry
from seacod.metrics import SupervisorMetrics
from seacod.metrics.present import PresentFigures
from seacod.metrics.worker import WorkerMetrics
from seacod.supervisor.scrape import FIGURES

_HEAD = """# Metrics

`GET http://127.0.0.1:8000/metrics` (`metrics.host`, `metrics.port`). Made by
`tools/make_generated.py` from `seacod/metrics/`; a test sees that it is up to date.

Counters survive the worker: they never fall while the service is up. Gauges of a worker that is
gone go away, and so does what nobody knows: there is no last value of a lost GPU. The page answers
in every state of the worker, since it never asks it anything.

"""


@dataclass(frozen=True, slots=True)
class Metric:
    """One row of the page."""

    name: str
    kind: str
    labels: tuple[str, ...]
    text: str


def page() -> str:
    """The whole page."""
    parts = [_HEAD]
    for title, metrics in (
        ("From the worker", worker()),
        ("From the supervisor", supervisor()),
        ("From an archive (`seacod transcribe --ray --metrics-port`)", archive()),
    ):
        parts.append(f"## {title}\n\n| name | type | labels | |\n|---|---|---|---|\n")
        for one in sorted(metrics, key=lambda m: m.name):
            labels = ", ".join(f"`{label}`" for label in one.labels)
            parts.append(f"| `{one.name}` | {one.kind} | {labels} | {one.text} |\n")
        parts.append("\n")
    return "".join(parts).rstrip() + "\n"


def worker() -> list[Metric]:
    return list(_of(WorkerMetrics().registry))


def archive() -> list[Metric]:
    progress = ArchiveProgress(1, 1)
    progress.joined("node")
    return list(_of(bulk_registry(progress)))


def supervisor() -> list[Metric]:
    with tempfile.TemporaryDirectory() as scratch:
        return list(_of(SupervisorMetrics(Path(scratch), PresentFigures(FIGURES)).registry))


def series_names() -> set[str]:
    """Names as queries use them: with _total, _bucket, _sum, _count."""
    names = set()
    for metric in (*worker(), *supervisor(), *archive()):
        names.add(metric.name)
        if metric.kind == "histogram":
            names |= {f"{metric.name}_{part}" for part in ("bucket", "sum", "count")}
    return names


def _of(registry: CollectorRegistry) -> Iterator[Metric]:
    collectors: list[Any] = list(registry._collector_to_names)
    for collector in collectors:
        if isinstance(collector, ArchiveMetrics):
            for family in collector.collect():
                name = family.name + ("_total" if family.type == "counter" else "")
                found = family.samples[0].labels if family.samples else {}
                yield Metric(name, family.type, tuple(found), family.documentation)
            continue
        for family in collector.describe() if hasattr(collector, "describe") else []:
            labels = getattr(collector, "_labelnames", None) or getattr(family, "_labelnames", ())
            name = family.name + ("_total" if family.type == "counter" else "")
            kind = "untyped" if family.type == "unknown" else family.type
            yield Metric(name, kind, tuple(labels), family.documentation)
