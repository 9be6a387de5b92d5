"""The person at the terminal: which language they read, how times are told."""

from __future__ import annotations

import codecs
import datetime
import os
import re
import sys
import time
import unicodedata
from collections.abc import Iterable
from typing import Any, TextIO, cast

_ESCAPED = "seacod.escaped"
# From here on a character takes two columns.
_FIRST_WIDE = 0x2E80


def language() -> str:
    """The language of the locale, such as zh_CN.UTF-8; empty for none (locale(7))."""
    environment = os.environ
    return (
        environment.get("LC_ALL") or environment.get("LC_MESSAGES") or environment.get("LANG", "")
    )


def guard_output() -> None:
    """Whatever a command prints, a terminal shows: what its encoding does not have (ASCII and
    Latin-1 locales, file names that are no text), and what would steer it, is written as in JSON
    (\\u4f60). JSON that is printed stays the same JSON by this."""
    codecs.register_error(_ESCAPED, _unknown)
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if (reconfigure := getattr(stream, "reconfigure", None)) is not None:
            reconfigure(errors=_ESCAPED)
        if stream is not None and not isinstance(stream, _PrintableOutput):
            setattr(sys, name, cast(TextIO, _PrintableOutput(stream)))


def _unknown(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return _escaped(error.object[error.start : error.end]), error.end


def _escaped(text: str) -> str:
    units = text.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[at : at + 2].hex()}" for at in range(0, len(units), 2))


# Control characters, what has no width or turns the direction of writing, ends of lines.
_STEERING = ("Cc", "Cf", "Zl", "Zp")
_ORDINARY = re.compile(r"[\t\n\r -~]*")
# What we and our libraries print ourselves: colours, bars, a cleared screen; no title of a window.
_OURS = re.compile(r"(\x1b\[[0-9;]*[A-HJKm])")


class _PrintableOutput:
    """A stream on which nothing else steers a terminal. Bytes that are written to its `buffer`,
    such as transcripts, stay as they are."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        if _ORDINARY.fullmatch(text) is None:
            parts = enumerate(_OURS.split(text))
            self._stream.write("".join(p if at % 2 else _shown(p, "\t\n\r") for at, p in parts))
        else:
            self._stream.write(text)
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def _shown(text: str, kept: str) -> str:
    return "".join(
        _escaped(one) if one not in kept and unicodedata.category(one) in _STEERING else one
        for one in text
    )


def printable(text: str) -> str:
    """One line of what others wrote (names of files, sentences of another service, the output of a
    process) for a terminal: what would steer it is written as in JSON (\\u001b)."""
    return _shown(text, "\t")


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


def print_words(english: str, chinese: str, *, to: TextIO | None = None) -> None:
    """Print the one of two sentences that the person at the terminal reads.

    Args:
        english, chinese: the sentences.
        to: where to; None for standard output.
    """
    print(in_language(english, chinese), file=to, flush=True)


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
