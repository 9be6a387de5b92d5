"""Icons as SVG in the page: they look the same everywhere, and nothing is fetched for them."""

from __future__ import annotations

# What is drawn in a square of 24, as lines unless it says otherwise.
_DRAWN = {
    "play": '<path d="M7 4.5v15l12-7.5z" fill="currentColor"/>',
    "pause": '<path d="M7 5h3.5v14H7zM13.5 5H17v14h-3.5z" fill="currentColor" stroke="none"/>',
    "back": '<path d="M12 5a7.5 7.5 0 1 1-7.1 5M12 5 8.5 2M12 5 8.5 8"/>'
    '<text x="12" y="15.6" class="sc-icon-figure">5</text>',
    "forward": '<path d="M12 5a7.5 7.5 0 1 0 7.1 5M12 5l3.5-3M12 5l3.5 3"/>'
    '<text x="12" y="15.6" class="sc-icon-figure">5</text>',
    "edit": '<path d="M4 20l1-4.5L16.5 4a2.1 2.1 0 0 1 3 3L8.5 18.8zM14.5 6l3.5 3.5"/>',
    "undo": '<path d="M8 4 3.5 8.5 8 13M4 8.5h10a6 6 0 0 1 0 12h-4"/>',
    "redo": '<path d="m16 4 4.5 4.5L16 13M20 8.5H10a6 6 0 0 0 0 12h4"/>',
    "find": '<circle cx="10.5" cy="10.5" r="6.5"/><path d="m15.5 15.5 5 5"/>',
    "view": '<path d="M3.5 18 8.5 6l5 12M5.3 14h6.4M15.2 18l2.9-7 2.9 7M16.2 15.6h3.8"/>',
    "copy": '<rect x="8.5" y="8.5" width="11.5" height="11.5" rx="2"/>'
    '<path d="M15.5 5V4.5H4V16h1.5"/>',
    "export": '<path d="M12 3.5v11M7.5 10.5 12 15l4.5-4.5M4 19.5h16"/>',
    "keys": '<rect x="2.5" y="6" width="19" height="12" rx="2"/>'
    '<path d="M6.5 10h.01M10 10h.01M14 10h.01M17.5 10h.01M8 14h8"/>',
    "up": '<path d="m6 15 6-6 6 6"/>',
    "down": '<path d="m6 9 6 6 6-6"/>',
    "close": '<path d="m6 6 12 12M18 6 6 18"/>',
    "delete": '<path d="M4.5 6.5h15M9.5 6V4h5v2M6.5 6.5l1 13.5h9l1-13.5M10 10.5v6M14 10.5v6"/>',
    "file": '<path d="M12 15.5V4.5M7.5 9 12 4.5 16.5 9M4 15v4.5h16V15"/>',
}


def icon(name: str, style: str = "") -> str:
    """One of them; `style` is a class of it."""
    return (
        f'<svg class="sc-icon {style}" viewBox="0 0 24 24" aria-hidden="true" focusable="false">'
        f"{_DRAWN[name]}</svg>"
    )
