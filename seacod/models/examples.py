"""The recordings that come with seacod: tried at a start, and offered on the page."""

from __future__ import annotations

import json

from seacod.models.registry import BUILTIN

EXAMPLES = BUILTIN / "examples"


def examples() -> list[dict[str, str]]:
    """The shipped recordings: `file`, `text`, `hotwords`, `seconds` of each."""
    listing = EXAMPLES / "examples.json"
    loaded: list[dict[str, str]] = json.loads(listing.read_text("utf-8"))
    return loaded
