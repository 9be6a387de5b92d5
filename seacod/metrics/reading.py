"""The worker's figures as the supervisor shows them: read from its files, and complete.

Used by `supervisor.py`. Every counter and histogram is there from the first scrape on, at 0 and
with all its known labels, whether a worker has started or not: a series that began with its first
event would show no increase of it. Two sums have a second name, under which pages of others ask for
them.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from prometheus_client import multiprocess
from prometheus_client.core import Metric, UnknownMetricFamily
from prometheus_client.registry import Collector
from prometheus_client.samples import Sample

from seacod.metrics.worker import WorkerMetrics

# Counters that are also there without the ending `_total`, by route alone. A type of their own they
# cannot have: the text format knows a counter by that ending.
BY_ROUTE = ("asr_requests_success", "asr_requests_failed")


class WorkerFigures(Collector):
    """
    Args:
        directory: where workers have their files; must exist.
    """

    def __init__(self, directory: Path) -> None:
        self._files = multiprocess.MultiProcessCollector(None, str(directory))  # type: ignore[no-untyped-call]
        # What nobody has counted yet. Gauges are of workers that live.
        self._nothing = [m for m in WorkerMetrics().registry.collect() if m.type != "gauge"]

    def describe(self) -> Iterable[Metric]:
        """The names that no worker has."""
        return [_by_route(name, ()) for name in BY_ROUTE]

    def collect(self) -> Iterable[Metric]:
        """What the files hold, with what they lack."""
        found: dict[str, Metric] = {one.name: one for one in self._read()}
        for nothing in self._nothing:
            family = found.get(nothing.name)
            if family is None:
                found[nothing.name] = nothing
                continue
            known = {_key(sample) for sample in family.samples}
            family.samples += [one for one in nothing.samples if _key(one) not in known]
        yield from found.values()
        for name in BY_ROUTE:
            yield _by_route(name, found[name].samples)

    def _read(self) -> Iterable[Metric]:
        return self._files.collect()  # type: ignore[no-untyped-call,no-any-return]


def _key(sample: Sample) -> tuple[str, frozenset[tuple[str, str]]]:
    return sample.name, frozenset(sample.labels.items())


def _by_route(name: str, samples: Iterable[Sample]) -> Metric:
    text = f"{name}_total by route alone, under the name that pages made for other services have"
    summed = UnknownMetricFamily(name, text, labels=["route"])
    values: dict[str, float] = {}
    for sample in samples:
        route = sample.labels["route"]
        values[route] = values.get(route, 0.0) + sample.value
    for route, value in values.items():
        summed.add_metric([route], value)
    return summed
