"""The person at the terminal: which language they read."""

from __future__ import annotations

import os


def language() -> str:
    """Of the locale, such as zh_CN.UTF-8; empty for none (locale(7))."""
    environment = os.environ
    return (
        environment.get("LC_ALL") or environment.get("LC_MESSAGES") or environment.get("LANG", "")
    )
