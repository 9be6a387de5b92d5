"""The person at the terminal: which language they read, how times are told."""

from __future__ import annotations

import datetime
import os
import time


def language() -> str:
    """The language of the locale, such as zh_CN.UTF-8; empty for none (locale(7))."""
    environment = os.environ
    return (
        environment.get("LC_ALL") or environment.get("LC_MESSAGES") or environment.get("LANG", "")
    )


def in_language(english: str, chinese: str) -> str:
    """The one of two sentences that the person at the terminal reads."""
    return chinese if language().lower().startswith("zh") else english


def ago(since: float) -> str:
    """Seconds since a Unix time, as `3 d 4 h` or `12 s`."""
    seconds = max(0, int(time.time() - since))
    for size, name, rest, rest_name in (
        (86400, "d", 3600, "h"),
        (3600, "h", 60, "min"),
        (60, "min", 1, "s"),
    ):
        if seconds >= size:
            return f"{seconds // size} {name} {seconds % size // rest} {rest_name}"
    return f"{seconds} s"


def date_and_time(at: float) -> str:
    """A Unix time on the reader's clock, to the second."""
    return datetime.datetime.fromtimestamp(at).strftime("%Y-%m-%d %H:%M:%S")
