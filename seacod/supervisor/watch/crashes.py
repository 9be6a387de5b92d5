"""The dossier of a crash: what the next hour's search would find, in one directory.

state/crashes/TIME-pid/ with dossier.json and memory.png; the newest are kept. `seacod crashes`
reads them, the mail about the crash carries the same.
"""

from __future__ import annotations

import datetime
import json
import shutil
from pathlib import Path
from typing import Any

import structlog

from seacod.alerts.picture import plot
from seacod.supervisor.crash import Crash
from seacod.supervisor.watch.memory_series import Memory
from seacod.system.text.masking import masked_deep

log = structlog.get_logger(__name__)

_KEPT = 50
DOSSIER, PICTURE = "dossier.json", "memory.png"


def directory_of(state: Path, crash: Crash) -> Path:
    """Where its dossier lies."""
    moment = datetime.datetime.fromtimestamp(crash.at).strftime("%Y%m%d-%H%M%S")
    return state / "crashes" / f"{moment}-{crash.pid}"


def keep(
    state: Path, crash: Crash, evidence: dict[str, Any], memory: list[tuple[float, Memory]]
) -> None:
    """Write the dossier. Blocking; never raises: a full disk must not add to the trouble."""
    directory = directory_of(state, crash)
    try:
        directory.mkdir(parents=True, exist_ok=True)
        dossier = masked_deep(as_dict(crash, evidence, memory))
        (directory / DOSSIER).write_text(json.dumps(dossier, ensure_ascii=False, indent=1), "utf-8")
        (directory / PICTURE).write_bytes(picture(memory))
        # Their names are times: of a clock that was set back, the newest is not the last.
        others = sorted(one for one in directory.parent.iterdir() if one != directory)
        for old in others[: -(_KEPT - 1)]:
            shutil.rmtree(old, ignore_errors=True)
    except OSError as error:
        log.warning("dossier_not_kept", directory=str(directory), error=error.strerror)


def as_dict(
    crash: Crash, evidence: dict[str, Any], memory: list[tuple[float, Memory]]
) -> dict[str, Any]:
    """Everything, as JSON has it."""
    return {
        "at": crash.at,
        "pid": crash.pid,
        "cause": crash.words[0],
        "cause_zh": crash.words[1],
        "kind": crash.kind,
        "status": crash.status,
        "in_state": crash.in_state,
        "served_seconds": crash.served_seconds,
        "lost_requests": crash.in_flight,
        "lost_waiting": crash.queue_depth,
        "last_recording": crash.running,
        "last_lines": list(crash.last_lines),
        # What begins so is for messages in Chinese alone.
        "evidence": {key: value for key, value in evidence.items() if key[:1] != "_"},
        "memory": [
            [round(at, 1), m.worker_bytes, m.gpu_used_bytes, m.gpu_own_bytes] for at, m in memory
        ],
    }


def picture(memory: list[tuple[float, Memory]]) -> bytes:
    """The worker's host memory and the GPU's, as PNG."""
    host = [(at, float(m.worker_bytes)) for at, m in memory if m.worker_bytes is not None]
    gpu = [(at, float(m.gpu_used_bytes)) for at, m in memory if m.gpu_used_bytes is not None]
    return plot([host, gpu])


def kept(state: Path) -> list[dict[str, Any]]:
    """Every dossier there is, newest first; one that cannot be read is passed over."""
    found = []
    for directory in sorted((state / "crashes").glob("*/"), reverse=True):
        try:
            dossier = json.loads((directory / DOSSIER).read_text("utf-8"))
        except (OSError, ValueError):
            continue
        found.append({**dossier, "directory": str(directory)})
    return found
