"""What the page is drawn for. It is drawn once for all workers of a nursery, so each setting that
is read here takes effect by a new one (`applies="replace"`)."""

from __future__ import annotations

from dataclasses import dataclass

from seacod.asr.recognisers.base import Recogniser
from seacod.config.schema import Settings


@dataclass(frozen=True, slots=True)
class Site:
    """How the page is reached, and by whom.

    Args:
        root_path: server.root_path.
        has_logins: whether one logs in here.
    """

    root_path: str
    has_logins: bool

    @classmethod
    def of(cls, settings: Settings) -> Site:
        """That of these settings."""
        return cls(settings.server.root_path, bool(settings.access.users))


@dataclass(frozen=True, slots=True)
class ShownModel:
    """What the page says of the model.

    Args:
        name: of it.
        characters: how many it knows.
    """

    name: str
    characters: int

    @classmethod
    def of(cls, engine: Recogniser) -> ShownModel:
        """That of this one."""
        known = [token for token in engine.vocabulary or () if not token.startswith("<")]
        return cls(engine.name, len(known))

    @property
    def is_builtin(self) -> bool:
        """Whether it is the small one that shows how seacod works."""
        return self.name == "builtin"
