"""Every speaker encoder, found by looking into this folder."""

from __future__ import annotations

from functools import cache

import seacod.speaker_encoders as package
from seacod.speaker_encoders.base import EncoderDeclaration
from seacod.system.discovery import declared


@cache
def all_encoders() -> tuple[EncoderDeclaration, ...]:
    """In the order in which `auto` looks for them."""
    found = declared(package, "ENCODER", EncoderDeclaration)
    return tuple(sorted(found, key=lambda one: one.order))


def of_name(name: str) -> EncoderDeclaration | None:
    """The one that is called so, if there is one."""
    return next((one for one in all_encoders() if one.name == name), None)
