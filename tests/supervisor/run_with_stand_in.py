"""`seacod run` with the stand-in worker: the real supervisor process, quick to start.

The plan of the stand-in (STAND_IN_PLAN) may also say how much memory the supervisor believes to be
available: available_bytes.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path

from seacod import logs
from seacod.cli import at_the_edge
from seacod.config import Settings, load_settings
from seacod.supervisor.daemon import Supervisor
from seacod.supervisor.memory import Room, available_bytes

COMMAND = (sys.executable, str(Path(__file__).with_name("stand_in_worker.py")))


def _available() -> int:
    """The machine's memory, unless the plan has another figure."""
    path = Path(os.environ["STAND_IN_PLAN"])
    plan = json.loads(path.read_text()) if path.exists() else {}
    return int(plan.get("available_bytes", available_bytes()))


def main() -> int:
    file = Path(sys.argv[1])

    def read() -> Settings:
        return load_settings(file)

    settings = read()
    logs.configure(settings.log, "supervisor")
    supervisor = Supervisor(
        settings, read, lambda _: None, worker_command=COMMAND, room=Room(available=_available)
    )
    return asyncio.run(supervisor.run())


if __name__ == "__main__":
    sys.exit(at_the_edge(main))
