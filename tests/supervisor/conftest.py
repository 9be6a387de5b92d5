"""The fixture `service`: a real supervisor process, ended whatever the test did."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from supervised import StandIn


@pytest.fixture
def service(tmp_path: Path) -> Iterator[StandIn]:
    one = StandIn(tmp_path)
    yield one
    one.kill()
