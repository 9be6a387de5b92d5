"""Values of settings on their way from where they were written to pydantic."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from seacod.config.explain import told_of
from seacod.config.keys import KeyPath
from seacod.system.text.words import Words


@dataclass
class Collected:
    """Values on their way to pydantic, each with the place it came from."""

    values: dict[str, Any] = field(default_factory=dict)
    origin: dict[KeyPath, Words] = field(default_factory=dict)
    problems: list[Words] = field(default_factory=list)

    def put(self, path: KeyPath, value: Any, origin: Words) -> None:
        section = self.values
        for key in path[:-1]:
            section = section.setdefault(key, {})
        section[path[-1]] = value
        self.origin[path] = origin

    def where(self, path: KeyPath, fallback: Words) -> Words:
        """The origin of a key, or of the nearest section above it."""
        for length in range(len(path), 0, -1):
            if path[:length] in self.origin:
                return self.origin[path[:length]]
        return fallback

    def wrong(self, where: Words, path: KeyPath, problem: Words) -> None:
        """One thing that is wrong."""
        self.problems.append(told_of(where, ".".join(path), problem))
