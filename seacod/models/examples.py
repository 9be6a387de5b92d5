"""The recordings that come with seacod: tried at a start, and offered on the page."""

from __future__ import annotations

import json
from pathlib import Path

# With the built-in model; `registry` and the settings it knows are not needed to hear them.
EXAMPLES = Path(__file__).parent / "builtin/examples"


def examples() -> list[dict[str, str]]:
    """The shipped recordings: `file`, `text`, `hotwords`, `seconds` of each."""
    listing = EXAMPLES / "examples.json"
    loaded: list[dict[str, str]] = json.loads(listing.read_text("utf-8"))
    return loaded
