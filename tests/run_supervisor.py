"""`seacod run` with a worker of the tests': the real supervisor process.

The script of the nursery that workers are forked from is named by TEST_WORKER.
"""

from __future__ import annotations

import asyncio
import faulthandler
import os
import sys
from pathlib import Path

from seacod import logs
from seacod.cli.main import at_the_edge
from seacod.config.load import SettingsSource
from seacod.supervisor.daemon import Supervisor


def main() -> int:
    source = SettingsSource(Path(sys.argv[1]))
    faulthandler.enable()
    settings = source.read()
    logs.configure(settings.log, "supervisor")
    supervisor = Supervisor(
        settings,
        source,
        lambda _: None,
        nursery_command=(sys.executable, os.environ["TEST_WORKER"]),
    )
    return asyncio.run(supervisor.run())


if __name__ == "__main__":
    sys.exit(at_the_edge(main))
