"""The settings in use: whoever stays holds this, and asks each time it needs one of them.

Both sides have one: the supervisor's reads the files anew (`supervisor/settings.py`), a worker's is
told what a reload has changed.
"""

from __future__ import annotations

from typing import Any

from seacod.config.changes import with_values
from seacod.config.schema import Settings


class SettingsInUse:
    """
    Args:
        settings: those to begin with.
    """

    def __init__(self, settings: Settings) -> None:
        self.current = settings

    def apply(self, changed: dict[str, Any]) -> None:
        """Take over these values, by their dotted keys; whoever read them has checked them."""
        self.current = with_values(self.current, changed)
