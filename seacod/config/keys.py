"""The keys of the settings, as paths, and the environment variables that override them."""

from __future__ import annotations

from collections.abc import Iterator

from seacod.config.schema import SECTIONS

KeyPath = tuple[str, ...]
ENV_PREFIX = "SEACOD_"


def leaves() -> Iterator[KeyPath]:
    """Every key of the settings, as a path."""
    for section, model in SECTIONS.items():
        for key in model.model_fields:
            yield (section, key)


def variable_name(path: KeyPath) -> str:
    """The environment variable that overrides a key."""
    return ENV_PREFIX + "_".join(path).upper()
