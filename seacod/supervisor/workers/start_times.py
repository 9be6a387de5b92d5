"""How long the parts of a start take here, and so how long one that goes on will still take: what
clients are told that come meanwhile. Measured, and kept for the next service.

Asked by `lifecycle.py`; a file that cannot be read or written costs no more than an estimate.
"""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path
from typing import Literal

Part = Literal["load", "start"]
# Until a nursery has loaded, and from then on, before any was measured.
_FIRST_SECONDS: dict[str, float] = {"load": 20.0, "start": 3.0}


class StartTimes:
    """
    Args:
        file: where they are kept; None for nowhere.
        model: asr.model, and what else they depend on.
    """

    def __init__(self, file: Path | None = None, model: str = "") -> None:
        self._file = file
        self._model = model
        known = self._kept().get(model, {})
        self._seconds: dict[str, float] = {**_FIRST_SECONDS, **known}
        self._measured = set(known)

    def note(self, part: Part, seconds: float) -> None:
        """A part took so long."""
        self._seconds[part] = seconds
        self._measured.add(part)
        if self._file is None:
            return
        kept = {**self._kept(), self._model: self._seconds}
        fresh = self._file.with_suffix(".new")
        with contextlib.suppress(OSError):
            fresh.write_text(json.dumps(kept, indent=1), "utf-8")
            os.replace(fresh, self._file)

    def rest(self, part: Part, elapsed_seconds: float = 0.0) -> float:
        """How long a part will still take. One that takes longer than ever is late by so much
        again: nobody is told to come back in a second for minutes."""
        return abs(self._seconds[part] - elapsed_seconds)

    @property
    def last_seconds(self) -> float | None:
        """How long the last whole start took here; None where none was measured."""
        is_known = self._measured >= _FIRST_SECONDS.keys()
        return sum(self._seconds[part] for part in _FIRST_SECONDS) if is_known else None

    def _kept(self) -> dict[str, dict[str, float]]:
        if self._file is None:
            return {}
        try:
            found = json.loads(self._file.read_text("utf-8"))
            return {
                str(model): {str(part): float(seconds) for part, seconds in parts.items()}
                for model, parts in found.items()
            }
        except (OSError, ValueError, TypeError, AttributeError):
            return {}
