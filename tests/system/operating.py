"""What an operator or a user does with the installed service. Used by the tests beside it."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Any

import sounds
from machine import Machine
from supervised import PATIENCE_SECONDS

URL = "http://127.0.0.1:7860"


def transcribe(machine: Machine, url: str = URL) -> dict[str, Any]:
    """What an operator would type; any status but 200 fails the test."""
    recording = f"/srv/seacod/seacod/models/builtin/examples/{sounds.SPEECH.name}"
    answer = machine.run("curl", "-sS", "--fail-with-body", "-F", f"file=@{recording}",
                         f"{url}/transcribe")  # fmt: skip
    result: dict[str, Any] = json.loads(answer.stdout)
    return result


def health() -> dict[str, Any]:
    with urllib.request.urlopen(f"{URL}/health", timeout=PATIENCE_SECONDS) as answer:
        result: dict[str, Any] = json.load(answer)
    return result


def is_serving() -> bool:
    try:
        return health()["status"] == "ok"
    except (OSError, urllib.error.HTTPError):
        return False


def service_state(machine: Machine) -> dict[str, Any]:
    result: dict[str, Any] = json.loads(machine.run("seacod", "status", "--json").stdout)
    return result


def edited(machine: Machine, change: Callable[[str], str]) -> None:
    """Change the configuration, which must then be different."""
    path = machine.root / "etc/seacod/seacod.yaml"
    old = path.read_text("utf-8")
    new = change(old)
    assert new != old
    path.write_text(new, "utf-8")
