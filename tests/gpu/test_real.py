"""The real driver, where there is one."""

from __future__ import annotations

import pytest

from seacod.accelerators.base import DriverAbsent
from seacod.accelerators.nvidia import ACCELERATOR


def test_a_real_card_is_read() -> None:
    try:
        gpus = ACCELERATOR.driver().read()
    except DriverAbsent as error:
        pytest.skip(f"no NVIDIA driver here: {error}")
    assert gpus
    for gpu in gpus:
        assert 0 <= gpu.used_bytes <= gpu.total_bytes
        assert gpu.uuid.startswith(("GPU-", "MIG-"))
