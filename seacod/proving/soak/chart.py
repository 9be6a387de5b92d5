"""Points and lines over time, as SVG that needs nothing (`templates/lines.svg`)."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from seacod.proving.drawing import draw

_WIDTH, _HEIGHT = 900, 240
_LEFT, _RIGHT, _TOP, _BOTTOM = 60, 10, 34, 28
COLOURS = ("#0f766e", "#d97706", "#4f46e5", "#be123c", "#64748b", "#15803d", "#a21caf", "#0369a1")


@dataclass(frozen=True, slots=True)
class Series:
    """Values over time; `at` in seconds from the beginning."""

    name: str
    points: Sequence[tuple[float, float]]
    is_line: bool = True


@dataclass(frozen=True, slots=True)
class Chart:
    """One chart.

    Args:
        title: above it.
        unit: of the values.
        series: drawn in the order of the colours.
        marks: red lines: seconds from the beginning, and what happened.
        seconds: how long it all was.
    """

    title: str
    unit: str
    series: Sequence[Series]
    seconds: float
    marks: Sequence[tuple[float, str]] = field(default_factory=tuple)

    def svg(self) -> str:
        """The chart as SVG."""
        values = [value for one in self.series for _, value in one.points]
        most = _round_up(max(values, default=1.0))
        return draw(
            "lines.svg", chart=self, most=most, x=self._x, y=functools.partial(_y, most),
            width=_WIDTH, height=_HEIGHT, left=_LEFT, right=_WIDTH - _RIGHT, top=_TOP,
            bottom=_HEIGHT - _BOTTOM, colours=COLOURS,
        )  # fmt: skip

    def _x(self, at: float) -> float:
        share = min(1.0, max(0.0, at / (self.seconds or 1.0)))
        return _LEFT + (_WIDTH - _LEFT - _RIGHT) * share


def _y(most: float, value: float) -> float:
    return _HEIGHT - _BOTTOM - (_HEIGHT - _TOP - _BOTTOM) * value / most


def _round_up(value: float) -> float:
    """To one, two, four, five or eight times a power of ten."""
    if value <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(value))
    return next(step * power for step in (1, 2, 4, 5, 8, 10) if step * power >= value)
