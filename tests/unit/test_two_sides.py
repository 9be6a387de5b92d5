"""The supervisor's side never loads the worker's libraries, nor the other way round its mail."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = {"torch", "funasr", "gradio", "seacod.asr", "seacod.web"}


@pytest.mark.parametrize(
    "module",
    [
        "seacod.cli.main",
        "seacod.client.status_socket",
        "seacod.supervisor.daemon",
        "seacod.config.render",
        "seacod.logs",
    ],
)
def test_the_supervisors_side_loads_nothing_heavy(module: str) -> None:
    code = f"import sys, {module}; print(*sys.modules)"
    loaded = set(
        subprocess.run(
            [sys.executable, "-c", code], check=True, capture_output=True, text=True
        ).stdout.split()
    )
    assert module in loaded
    assert not loaded & HEAVY
