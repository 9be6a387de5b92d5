"""The memory-mapped files through which a worker's figures reach the supervisor.

prometheus_client's multiprocess mode: the worker writes, the supervisor reads when it is scraped.
So counters survive a worker's death and `/metrics` answers while there is no worker. Call
`use_directory` before the first `WorkerMetrics()`.
"""

from __future__ import annotations

import os
from pathlib import Path

import prometheus_client.values
from prometheus_client import disable_created_metrics

# The time a series was made says nothing here, and doubles the page.
disable_created_metrics()  # type: ignore[no-untyped-call]

# Changed buckets merge wrongly with old files, so the directory's name carries the layout.
LAYOUT = "v2"


def directory(runtime_directory: Path) -> Path:
    """Where the memory-mapped files of one service lie."""
    return runtime_directory / f"metrics-{LAYOUT}"


def use_directory(runtime_directory: Path, slot: str) -> None:
    """Make this process write its values into files of `slot` (a stable name, not a pid).

    A stable slot lets the next worker go on with the counters of the last one; two processes
    alive at once need different slots. Must run before any metric is made.
    """
    path = directory(runtime_directory)
    path.mkdir(parents=True, exist_ok=True)
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(path)
    prometheus_client.values.ValueClass = prometheus_client.values.MultiProcessValue(  # type: ignore[no-untyped-call]
        process_identifier=lambda: slot
    )
