"""What a reload changes, and how each change takes effect, which each setting declares itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from seacod.config.schema import SECTIONS, Settings
from seacod.config.setting import Applies


def applied(key: str) -> Applies:
    """How a change of this dotted key takes effect."""
    section, _, name = key.partition(".")
    return SECTIONS[section].declared(name).applies


@dataclass(frozen=True, slots=True)
class Changes:
    """Dotted keys that differ between two settings, by how they take effect."""

    live: tuple[str, ...]
    replace: tuple[str, ...]
    restart: tuple[str, ...]

    def __bool__(self) -> bool:
        return bool(self.live or self.replace or self.restart)


def compare(old: Settings, new: Settings) -> Changes:
    """What a reload from `old` to `new` changes."""
    found: dict[Applies, list[str]] = {"live": [], "replace": [], "restart": []}
    for section, model in SECTIONS.items():
        before, after = getattr(old, section), getattr(new, section)
        for key in model.model_fields:
            if getattr(before, key) != getattr(after, key):
                found[applied(f"{section}.{key}")].append(f"{section}.{key}")
    return Changes(tuple(found["live"]), tuple(found["replace"]), tuple(found["restart"]))


def without(new: Settings, old: Settings, keys: tuple[str, ...]) -> Settings:
    """`new` with the values of `old` for these keys."""
    return with_values(new, values(old, keys))


def values(settings: Settings, keys: tuple[str, ...]) -> dict[str, Any]:
    """The values of these dotted keys, as JSON can carry them."""
    dumped = settings.model_dump(mode="json")
    return {key: dumped[key.partition(".")[0]][key.partition(".")[2]] for key in keys}


def with_values(settings: Settings, changed: dict[str, Any]) -> Settings:
    """Settings with these dotted keys set; they are checked like any others."""
    dumped = settings.model_dump(mode="json")
    for key, value in changed.items():
        section, _, name = key.partition(".")
        dumped[section][name] = value
    return Settings.model_validate(dumped)
