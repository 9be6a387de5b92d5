"""Every metric: name, type, labels, help. Nobody else makes one; docs/metrics.md lists these.

`worker.py` has what the worker counts, `supervisor.py` what the supervisor knows; `files.py` is how
the first reaches the second, `reading.py` how that reads it.
"""

from __future__ import annotations

from seacod.metrics.files import directory, use_directory
from seacod.metrics.supervisor import WORKER_STATES, Present, SupervisorMetrics

__all__ = ["WORKER_STATES", "Present", "SupervisorMetrics", "directory", "use_directory"]
