"""The person at the terminal: which language they read, how times are told."""

from __future__ import annotations

import codecs
import datetime
import os
import sys
import time
import unicodedata

_ESCAPED = "seacod.escaped"
# From here on a character takes two columns.
_FIRST_WIDE = 0x2E80


def language() -> str:
    """The language of the locale, such as zh_CN.UTF-8; empty for none (locale(7))."""
    environment = os.environ
    return (
        environment.get("LC_ALL") or environment.get("LC_MESSAGES") or environment.get("LANG", "")
    )


def never_refuses_a_character() -> None:
    """What the terminal's encoding does not have is written as in JSON (\\u4f60), instead of ending
    a command in its middle: ASCII and Latin-1 locales, file names that are no text."""
    codecs.register_error(_ESCAPED, _escaped)
    for stream in (sys.stdout, sys.stderr):
        if (reconfigure := getattr(stream, "reconfigure", None)) is not None:
            reconfigure(errors=_ESCAPED)


def _escaped(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    wrong = error.object[error.start : error.end]
    units = wrong.encode("utf-16-be", "surrogatepass")
    pairs = (units[at : at + 2].hex() for at in range(0, len(units), 2))
    return "".join(f"\\u{pair}" for pair in pairs), error.end


# Control characters, what has no width or turns the direction of writing, ends of lines.
_STEERING = ("Cc", "Cf", "Zl", "Zp")


def printable(text: str) -> str:
    """One line of what others wrote (names of files, sentences of another service, the output of a
    process) for a terminal: what would steer it is written as in JSON (\\u001b)."""
    return "".join(
        f"\\u{ord(one):04x}" if one != "\t" and unicodedata.category(one) in _STEERING else one
        for one in text
    )


def width(text: str) -> int:
    """Columns that a text takes: Chinese characters take two."""
    return sum(2 if ord(one) > _FIRST_WIDE else 1 for one in text)


def padded(text: str, columns: int, *, is_right: bool = False) -> str:
    """A text of so many columns, with blanks after it, or before it where `is_right`."""
    blanks = " " * max(0, columns - width(text))
    return f"{blanks}{text}" if is_right else f"{text}{blanks}"


def is_chinese() -> bool:
    """Whether the person at the terminal reads Chinese."""
    return language().lower().startswith("zh")


def in_language(english: str, chinese: str) -> str:
    """The one of two sentences that the person at the terminal reads."""
    return chinese if is_chinese() else english


def ago(since: float) -> tuple[str, str]:
    """Seconds since a Unix time, as `3 d 4 h` or `12 s`, and in Chinese."""
    seconds = max(0, int(time.time() - since))
    for size, rest, names in (
        (86400, 3600, (("d", "h"), ("天", "小时"))),
        (3600, 60, (("h", "min"), ("小时", "分钟"))),
        (60, 1, (("min", "s"), ("分", "秒"))),
    ):
        if seconds >= size:
            whole, left = seconds // size, seconds % size // rest
            english, chinese = (f"{whole} {large} {left} {small}" for large, small in names)
            return english, chinese
    return f"{seconds} s", f"{seconds} 秒"


def date_and_time(at: float) -> str:
    """A Unix time on the reader's clock, to the second."""
    return datetime.datetime.fromtimestamp(at).strftime("%Y-%m-%d %H:%M:%S")
