"""The supervisor's side never loads the worker's libraries, nor the other way round its mail;
whoever asks a service needs neither side. The proofs share what lies beside them, not each
other."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

import seacod

HEAVY = {"torch", "funasr", "gradio", "seacod.asr", "seacod.web", "seacod.worker"}
# Not even for the help: `run` of the command that needs them imports them.
HEAVY_FOR_COMMANDS = HEAVY | {"numpy", "av", "httpx", "websockets", "sqlalchemy", "tqdm"}


def loaded(code: str) -> set[str]:
    """The modules that are there after this code."""
    command = [sys.executable, "-c", f"import sys; {code}; print(*sys.modules)"]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return set(done.stdout.split())


@pytest.mark.parametrize(
    "module",
    [
        "seacod.cli.main",
        "seacod.client.status_socket",
        "seacod.supervisor.daemon",
        "seacod.config.render",
        "seacod.accelerators.reading",
        "seacod.formats.registry",
        "seacod.logs",
    ],
)
def test_the_supervisors_side_loads_nothing_heavy(module: str) -> None:
    found = loaded(f"import {module}")
    assert module in found
    assert not found & HEAVY


def test_whoever_asks_a_service_needs_neither_side() -> None:
    found = loaded(
        "from seacod.client import Client; Client('http://x').__exit__(); import seacod.client.live"
    )
    assert "httpx" in found
    assert not found & (HEAVY | {"numpy", "seacod.supervisor", "seacod.alerts", "seacod.config"})
    assert "httpx" not in loaded("import seacod.client")


def test_no_command_imports_anything_heavy_before_it_runs() -> None:
    assert not loaded("from seacod.cli.parser import make_parser; make_parser()") & (
        HEAVY_FOR_COMMANDS
    )


@pytest.mark.parametrize(
    ("room", "others"),
    [
        ("checks", "drills|soak|bench"),
        ("drills", "checks|soak|bench"),
        ("bench", "checks|drills|soak"),
        # The soak run lets drills in.
        ("soak", "checks|bench"),
        ("*.py", "checks|drills|soak|bench"),
    ],
)
def test_proofs_share_what_lies_beside_them(room: str, others: str) -> None:
    proving = Path(seacod.__file__).parent / "proving"
    files = list(proving.glob(room if room.endswith(".py") else f"{room}/*.py"))
    assert files
    for file in files:
        found = re.findall(
            rf"^ *(?:from|import) seacod\.proving(?:\.| import )(?:{others})\b.*",
            file.read_text("utf-8"), re.MULTILINE,
        )  # fmt: skip
        assert not found, file


def test_what_is_particular_to_a_vendor_is_in_one_file() -> None:
    """Others may have the same words: PyTorch calls an AMD GPU cuda, too."""
    found = files_with(r"cuda|nvml|nvidia")
    assert "accelerators/nvidia.py" in found
    assert {file.rpartition("/")[0] for file in found} == {"accelerators"}
    assert not found & {f"accelerators/{one}.py" for one in ("base", "reading", "registry")}


def test_only_recognisers_import_funasr() -> None:
    """Apart from the plain application that a bench starts beside us."""
    found = files_with(r"import .*\bfunasr\b|from funasr|import_module\(.funasr")
    outside = {file for file in found if not file.startswith("asr/recognisers/")}
    assert found > outside
    assert len(outside) == 1
    assert outside.pop().endswith("peers.py")


def files_with(pattern: str) -> set[str]:
    """Files of the product in which this stands, whatever its case."""
    package = Path(seacod.__file__).parent
    return {
        str(file.relative_to(package))
        for file in package.rglob("*.py")
        if re.search(pattern, file.read_text("utf-8"), re.IGNORECASE)
    }
