"""The fixture `service`: a real supervisor with the stand-in worker, impatient enough for tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from supervised import StandIn


@pytest.fixture
def service(tmp_path: Path) -> Iterator[StandIn]:
    one = StandIn(tmp_path)
    one.configure(
        supervisor={
            "beat_timeout_seconds": 3,
            "probe_interval_seconds": 0.2,
            "probe_timeout_seconds": 1,
            "probe_failures": 4,
        }
    )
    yield one
    one.kill()
