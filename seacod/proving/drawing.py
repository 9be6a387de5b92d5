"""Pages and pictures of proofs: the templates beside this file, filled in."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from seacod.system.text.terminal import in_language

_TEMPLATES = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"), autoescape=True,
    undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True,
)  # fmt: skip


# As everything for people: `say(ENGLISH, CHINESE)` is what the reader gets.
_TEMPLATES.globals["say"] = in_language


def draw(template: str, **what: Any) -> str:
    """The template of this name with these values in it, escaped."""
    return _TEMPLATES.get_template(template).render(**what)
