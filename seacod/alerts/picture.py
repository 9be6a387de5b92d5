"""A small line plot as PNG, for mails: two curves over time, a frame, no text. No library: the
supervisor's side has to stay small. PNG: https://www.w3.org/TR/png/
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence

WIDTH, HEIGHT = 560, 140
_MARGIN = 8
_WHITE, _FRAME, _GRID = (255, 255, 255), (160, 168, 178), (232, 235, 239)
# Teal for the worker's host memory, amber for the GPU's: they differ in lightness, too.
COLORS = ((15, 118, 110), (217, 119, 6))

Color = tuple[int, int, int]


def plot(curves: Sequence[Sequence[tuple[float, float]]]) -> bytes:
    """A PNG with these curves, each scaled to its own greatest value.

    Args:
        curves: points (time, value) in order of time; at most as many as there are colours.
    """
    rows = [bytearray(_WHITE * WIDTH) for _ in range(HEIGHT)]
    left, right, top, bottom = _MARGIN, WIDTH - _MARGIN - 1, _MARGIN, HEIGHT - _MARGIN - 1
    for quarter in range(1, 4):
        y = top + (bottom - top) * quarter // 4
        for x in range(left, right + 1):
            _dot(rows, x, y, _GRID)
    times = [at for curve in curves for at, _ in curve]
    begin, end = (min(times), max(times)) if times else (0.0, 1.0)
    for curve, color in zip(curves, COLORS, strict=False):
        greatest = max((value for _, value in curve), default=0.0) or 1.0
        points = [
            (
                round(left + (right - left) * ((at - begin) / ((end - begin) or 1.0))),
                round(bottom - (bottom - top) * 0.95 * value / greatest),
            )
            for at, value in curve
        ]
        for (x1, y1), (x2, y2) in zip(points, points[1:], strict=False):
            _line(rows, x1, y1, x2, y2, color)
    for x in range(left, right + 1):
        _dot(rows, x, top, _FRAME)
        _dot(rows, x, bottom, _FRAME)
    for y in range(top, bottom + 1):
        _dot(rows, left, y, _FRAME)
        _dot(rows, right, y, _FRAME)
    # Each row begins with its filter: 0, none.
    pixels = b"".join(b"\0" + bytes(row) for row in rows)
    header = struct.pack(">IIBBBBB", WIDTH, HEIGHT, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + _chunk(b"IHDR", header)
        + _chunk(b"IDAT", zlib.compress(pixels, 9))
        + _chunk(b"IEND", b"")
    )


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _line(rows: list[bytearray], x1: int, y1: int, x2: int, y2: int, color: Color) -> None:
    """Two pixels thick."""
    steps = max(abs(x2 - x1), abs(y2 - y1), 1)
    for step in range(steps + 1):
        x = x1 + (x2 - x1) * step // steps
        y = y1 + (y2 - y1) * step // steps
        _dot(rows, x, y, color)
        _dot(rows, x, y + 1, color)


def _dot(rows: list[bytearray], x: int, y: int, color: Color) -> None:
    if 0 <= y < HEIGHT and 0 <= x < WIDTH:
        rows[y][x * 3 : x * 3 + 3] = bytes(color)
