"""Services in simulated time (`simulation.py`), for the tests that turn their clocks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from simulation import World, quiet


@pytest.fixture
def make() -> Iterator[Callable[..., World]]:
    """Makes services; each is stopped at the end, and must leave nothing behind."""
    worlds: list[World] = []

    def new(count: int = 1, **sections: dict[str, Any]) -> World:
        worlds.append(World(count, **sections))
        return worlds[-1]

    with quiet():
        yield new
        for world in worlds:
            try:
                world.finish()
            finally:
                world.close()
