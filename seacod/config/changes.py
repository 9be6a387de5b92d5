"""What a reload changes, and how each change takes effect.

`live`: at once, in the running processes. `replace`: a new worker takes over. `restart`: only when
the whole service starts again (addresses, directories).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from seacod.config.schema import Settings

Applied = Literal["live", "replace", "restart"]

# By section, and by key where one differs from its section.
_APPLIED: dict[str, Applied] = {
    "server": "restart",
    "server.root_path": "replace",
    "server.drain_notice_seconds": "live",
    "metrics": "restart",
    "asr": "replace",
    "limits": "live",
    # The page says them, and Gradio is told one, when it is built.
    "limits.max_audio_seconds": "replace",
    "limits.max_upload_bytes": "replace",
    "limits.long_audio": "replace",
    "limits.direct_audio_seconds": "replace",
    "results": "live",
    "results.database": "replace",
    "results.database_password_file": "replace",
    "access": "replace",
    "worker": "live",
    "supervisor": "live",
    "supervisor.workers": "restart",
    "gpu": "live",
    "alerts": "live",
    "storage": "live",
    "paths": "restart",
    "log": "live",
}


def applied(key: str) -> Applied:
    """How a change of this dotted key takes effect."""
    return _APPLIED.get(key) or _APPLIED[key.partition(".")[0]]


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
    found: dict[Applied, list[str]] = {"live": [], "replace": [], "restart": []}
    for section in Settings.model_fields:
        before, after = getattr(old, section), getattr(new, section)
        for key in type(before).model_fields:
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
