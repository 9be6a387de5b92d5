"""The settings in use, as every part that stays holds them."""

from __future__ import annotations

from typing import Any

from seacod.config.in_use import SettingsInUse
from seacod.config.schema import Settings


def in_use(**sections: Any) -> SettingsInUse:
    """The defaults, with these sections: `in_use(storage={"free_refuse_bytes": 0})`."""
    return SettingsInUse(Settings.model_validate(sections))
