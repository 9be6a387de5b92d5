"""tools/attack.py: what has hurt a service once, and ten thousand mutations, hurt it no more."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from supervised import ROOT

# The tool says three times; other tests run on the same cores.
RATIO = 10.0


@pytest.mark.full
def test_nothing_that_is_sent_hurts_the_service() -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "tools/attack.py", "--json"],
        capture_output=True, text=True, timeout=3000,
    )  # fmt: skip
    assert done.stdout, done.stderr[-4000:]
    seen = json.loads(done.stdout)
    assert not seen["problems"], seen
    assert done.returncode == 0
    assert seen["same_worker"]
    assert seen["inputs"] >= 10_000
    assert not {a for a in seen["answers"] if a.startswith("5")} - {"503", "507"}
    assert seen["bystander"]["200"] > 20, seen
    assert seen["ratio"] < RATIO, seen
