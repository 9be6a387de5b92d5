"""A sample of the deliberate faults, another one for each commit: the tests notice all of them."""

from __future__ import annotations

import subprocess
import sys

import pytest
from supervised import ROOT

SAMPLE = "40"


@pytest.mark.full
@pytest.mark.timeout(1800)
def test_a_sample_of_the_faults_is_noticed() -> None:
    seed = subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False
    ).stdout.strip()
    done = subprocess.run(
        [sys.executable, "tools/mutate.py", SAMPLE, "--seed", seed or "0", "--runners", "1"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
