"""`seacod run` with a worker of the tests': the real supervisor process.

The worker's script is named by TEST_WORKER. The plan of the stand-in (STAND_IN_PLAN) may also say
how much memory the supervisor believes to be available: available_bytes.
"""

from __future__ import annotations

import asyncio
import faulthandler
import json
import os
import sys
from pathlib import Path

from seacod import logs
from seacod.cli.main import at_the_edge
from seacod.config import Settings, load_settings
from seacod.supervisor.daemon import Supervisor
from seacod.supervisor.workers.host_memory import HostMemoryGate, available_bytes


def _available() -> int:
    """The machine's memory, unless the plan has another figure."""
    path = Path(os.environ.get("STAND_IN_PLAN", "/nowhere"))
    plan = json.loads(path.read_text()) if path.exists() else {}
    return int(plan.get("available_bytes", available_bytes()))


def main() -> int:
    file = Path(sys.argv[1])

    def read() -> Settings:
        return load_settings(file)

    faulthandler.enable()
    settings = read()
    logs.configure(settings.log, "supervisor")
    supervisor = Supervisor(
        settings,
        read,
        lambda _: None,
        worker_command=(sys.executable, os.environ["TEST_WORKER"]),
        host_memory=HostMemoryGate(available=_available),
    )
    return asyncio.run(supervisor.run())


if __name__ == "__main__":
    sys.exit(at_the_edge(main))
