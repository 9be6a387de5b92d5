"""A sample of the deliberate faults, another one whenever the list changes: the tests notice all of
them."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

import pytest
from supervised import ROOT

LIST = Path(__file__).parent
SAMPLE = "40"


@pytest.mark.full
@pytest.mark.timeout(1800)
def test_a_sample_of_the_faults_is_noticed() -> None:
    # The same for the same list: what fails here can be tried again.
    seed = hashlib.sha256(b"".join(path.read_bytes() for path in sorted(LIST.glob("*.yaml"))))
    done = subprocess.run(
        [sys.executable, "tools/mutate.py", SAMPLE, "--seed", seed.hexdigest(), "--runners", "1"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
