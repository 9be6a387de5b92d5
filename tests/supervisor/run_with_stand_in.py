"""`seacod run` with the stand-in worker: the real supervisor process, quick to start."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from seacod import logs
from seacod.cli import at_the_edge
from seacod.config import Settings, load_settings
from seacod.supervisor.daemon import Supervisor

COMMAND = (sys.executable, str(Path(__file__).with_name("stand_in_worker.py")))


def main() -> int:
    file = Path(sys.argv[1])

    def read() -> Settings:
        return load_settings(file)

    settings = read()
    logs.configure(settings.log, "supervisor")
    supervisor = Supervisor(settings, read, lambda _: None, worker_command=COMMAND)
    return asyncio.run(supervisor.run())


if __name__ == "__main__":
    sys.exit(at_the_edge(main))
