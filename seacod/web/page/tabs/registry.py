"""What a tab is, and every tab there is, found by looking into this folder."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import seacod.web.page.tabs as package
from seacod.system.discovery import declared

if TYPE_CHECKING:
    from seacod.web.page.shown import ShownModel


@dataclass(frozen=True, slots=True)
class Tab:
    """One tab.

    Args:
        name: used in ids of the page; its title is the text `tab_NAME`.
        order: its place; lower is further left.
        texts: key to Chinese and English; the title at least. What is not here is in
            `text/*.json`.
        skeleton: makes its HTML.
        script: module in `static/` whose `start()` is called when the tab was drawn.
        opened_by: a parameter of the address with which this tab is the one in front.
    """

    name: str
    order: int
    texts: Mapping[str, tuple[str, str]]
    skeleton: Callable[[ShownModel], str]
    script: str | None = None
    opened_by: str | None = None


@cache
def all_tabs() -> tuple[Tab, ...]:
    """Every tab, from left to right."""
    return tuple(sorted(declared(package, "TAB", Tab), key=lambda tab: tab.order))
