"""Figures that are read at the moment of a scrape, one row each; see `supervisor/scrape.py`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

_View = TypeVar("_View")
Value = float | Mapping[str, float] | None


@dataclass(frozen=True, slots=True)
class PresentFigure(Generic[_View]):
    """One figure of the moment.

    `value_of`: reads it; None where it is unknown. A figure with parts has their `label` and gives
    the value of each.
    """

    metric: str
    text: str
    value_of: Callable[[_View], Value]
    label: str | None = None

    def family(self) -> GaugeMetricFamily:
        """The metric, without a value."""
        return GaugeMetricFamily(self.metric, self.text, labels=[self.label] if self.label else ())


class PresentFigures(Collector, Generic[_View]):
    """Shows the figures as they were when last read; what is unknown has no series.

    Args:
        figures: the rows.
    """

    def __init__(self, figures: Sequence[PresentFigure[_View]]) -> None:
        self._figures = figures
        self._values: Sequence[Value] = [None] * len(figures)

    def read(self, view: _View) -> None:
        """Read all of them, just before a scrape."""
        self._values = [one.value_of(view) for one in self._figures]

    def describe(self) -> Iterable[Metric]:
        """The metrics that there may be."""
        return [one.family() for one in self._figures]

    def collect(self) -> Iterable[Metric]:
        """The metrics with their values."""
        for figure, value in zip(self._figures, self._values, strict=True):
            family = figure.family()
            if isinstance(value, Mapping):
                for part, one in value.items():
                    family.add_metric([part], one)
            elif value is not None:
                family.add_metric([], value)
            yield family
