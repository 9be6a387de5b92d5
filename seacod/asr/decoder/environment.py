"""The environment of a caged process: what Python and its libraries need, and nothing of ours.

A proxy's password, a token or the place of the credentials may stand in the worker's.
"""

from __future__ import annotations

import os

_KEPT = ("PATH", "HOME", "LANG", "TZ", "TMPDIR", "VIRTUAL_ENV")
_KEPT_BEGINNINGS = ("LC_", "LD_", "PYTHON", "SEACOD_TEST_", "FAKETIME")
# One core each, and no threads that nobody can start any more.
_SET = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
}


def environment() -> dict[str, str]:
    """That of the next process."""
    own = {
        name: value
        for name, value in os.environ.items()
        if name in _KEPT or name.startswith(_KEPT_BEGINNINGS)
    }
    return {**own, **_SET}
