"""Points and lines over time, as SVG that needs nothing."""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass, field

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
        parts = [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" '
            f'aria-label="{html.escape(self.title)}" font-size="11" fill="#334155">',
            *self._axes(most),
        ]
        for at, what in self.marks:
            x = self._x(at)
            parts.append(
                f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{_TOP}" y2="{_HEIGHT - _BOTTOM}" '
                f'stroke="#dc2626" stroke-dasharray="3 3"><title>{html.escape(what)}</title></line>'
            )
        legend = _LEFT
        for number, one in enumerate(self.series):
            colour = COLOURS[number % len(COLOURS)]
            parts.append(self._drawn(one, colour, most))
            parts.append(
                f'<rect x="{legend}" y="20" width="9" height="9" fill="{colour}"/>'
                f'<text x="{legend + 13}" y="28">{html.escape(one.name)}</text>'
            )
            legend += 30 + 7 * len(one.name)
        return "\n".join([*parts, "</svg>"])

    def _axes(self, most: float) -> list[str]:
        parts = [
            f'<text x="0" y="12" font-size="13" font-weight="600">{html.escape(self.title)} '
            f"[{html.escape(self.unit)}]</text>"
        ]
        for quarter in range(5):
            y = self._y(most * quarter / 4, most)
            parts.append(
                f'<line x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}" '
                f'stroke="#e2e8f0"/><text x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">'
                f"{most * quarter / 4:g}</text>"
            )
            at = self.seconds * quarter / 4
            parts.append(
                f'<text x="{self._x(at):.1f}" y="{_HEIGHT - 10}" text-anchor="'
                f'{"end" if quarter == 4 else "middle"}">{at / 60:.1f} min</text>'
            )
        return parts

    def _drawn(self, one: Series, colour: str, most: float) -> str:
        places = [(self._x(at), self._y(value, most)) for at, value in one.points]
        if one.is_line:
            path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
            return f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="1.6"/>'
        return "".join(
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2" fill="{colour}" fill-opacity="0.6"/>'
            for x, y in places
        )

    def _x(self, at: float) -> float:
        share = min(1.0, max(0.0, at / (self.seconds or 1.0)))
        return _LEFT + (_WIDTH - _LEFT - _RIGHT) * share

    def _y(self, value: float, most: float) -> float:
        return _HEIGHT - _BOTTOM - (_HEIGHT - _TOP - _BOTTOM) * value / most


def _round_up(value: float) -> float:
    """To one, two, four, five or eight times a power of ten."""
    if value <= 0:
        return 1.0
    power = 1.0
    while power * 10 < value:
        power *= 10
    while power > value:
        power /= 10
    return next(step * power for step in (1, 2, 4, 5, 8, 10) if step * power >= value)
