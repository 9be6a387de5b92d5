"""Every metric: name, type, labels, help; docs/metrics.md lists these.

`worker.py` has what the worker counts, `supervisor.py` what the supervisor does; what is true at
the moment of a scrape is a row of `seacod/supervisor/scrape.py`, of the form that `present.py` has.
`files.py` is how the first reaches the second, `reading.py` how that reads it.
"""

from __future__ import annotations

from seacod.metrics.files import directory, use_directory
from seacod.metrics.supervisor import SupervisorMetrics

__all__ = ["SupervisorMetrics", "directory", "use_directory"]
