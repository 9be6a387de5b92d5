"""The fixture `service`: a real supervisor process, ended whatever the test did."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from supervised import Service


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    one = Service(tmp_path)
    yield one
    if one.process is not None and one.process.poll() is None:
        for child in one.descendants():
            child.kill()
        one.process.kill()
        one.process.wait()
