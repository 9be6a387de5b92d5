"""A small line plot as PNG, for mails and dossiers: curves over time, a frame, no text."""

from __future__ import annotations

import io
from collections.abc import Sequence

WIDTH, HEIGHT = 560, 140
_MARGIN = 8
_WHITE, _FRAME, _GRID = "#ffffff", "#a0a8b2", "#e8ebef"
# Teal for the worker's host memory, amber for the GPU's: they differ in lightness, too.
COLORS = ("#0f766e", "#d97706")


def plot(curves: Sequence[Sequence[tuple[float, float]]]) -> bytes:
    """A PNG with these curves, each scaled to its own greatest value.

    Args:
        curves: points (time, value) in order of time; at most as many as there are colours.
    """
    # Only where there is something to draw: the supervisor's side has to stay small.
    from PIL import Image, ImageDraw

    picture = Image.new("RGB", (WIDTH, HEIGHT), _WHITE)
    draw = ImageDraw.Draw(picture)
    left, right, top, bottom = _MARGIN, WIDTH - _MARGIN - 1, _MARGIN, HEIGHT - _MARGIN - 1
    for quarter in range(1, 4):
        y = top + (bottom - top) * quarter // 4
        draw.line((left, y, right, y), _GRID)
    times = [at for curve in curves for at, _ in curve]
    begin, end = (min(times), max(times)) if times else (0.0, 1.0)
    for curve, color in zip(curves, COLORS, strict=False):
        greatest = max((value for _, value in curve), default=0.0) or 1.0
        points = [
            (
                left + (right - left) * (at - begin) / ((end - begin) or 1.0),
                bottom - (bottom - top) * 0.95 * value / greatest,
            )
            for at, value in curve
        ]
        draw.line(points, color, width=2)
    draw.rectangle((left, top, right, bottom), outline=_FRAME)
    encoded = io.BytesIO()
    picture.save(encoded, "PNG")
    return encoded.getvalue()
