"""The plot of a crash's dossier and mail."""

from __future__ import annotations

import io

import pytest
from PIL import Image, ImageColor

from seacod.alerts.picture import COLORS, HEIGHT, WIDTH, plot

TEAL, AMBER = map(ImageColor.getrgb, COLORS)


def drawn(*curves: list[tuple[float, float]]) -> Image.Image:
    return Image.open(io.BytesIO(plot(curves))).convert("RGB")


def test_each_curve_has_its_colour_and_its_own_scale() -> None:
    picture = drawn([(0, 5.0), (10, 5.0)], [(0, 1e9), (10, 0.0)])
    assert picture.size == (WIDTH, HEIGHT)
    places = {
        color: [(x, y) for x in range(WIDTH) for y in range(HEIGHT)
                if picture.getpixel((x, y)) == color]
        for color in (TEAL, AMBER)
    }  # fmt: skip
    # The one stays where it is greatest; the other falls from there to nothing.
    assert max(y for _, y in places[TEAL]) < HEIGHT / 4
    assert max(y for x, y in places[AMBER] if x < WIDTH / 4) < HEIGHT / 2
    assert min(y for x, y in places[AMBER] if x > WIDTH * 3 / 4) > HEIGHT / 2


@pytest.mark.parametrize("curves", [[], [[], []], [[(3, 1.0)]], [[(3, 0.0), (3, 0.0)]]])
def test_little_is_a_picture_too(curves: list[list[tuple[float, float]]]) -> None:
    assert drawn(*curves).size == (WIDTH, HEIGHT)
