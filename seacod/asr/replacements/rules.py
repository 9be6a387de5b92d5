"""Rules for the text after recognition, a line each:

    旧 => 新            wherever it stands
    /(\\d+)块/ => \\1元   a regular expression
    ~欣悦              whatever sounds like it is written so

Lines that begin with # are comments; nothing behind the arrow leaves it out. Rules apply in the
order of the file, each to the sentence that the one before it has left. Pure; called with the file
by `current.py` and `seacod config check`, with sentences by the thread that writes them.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from seacod.asr.replacements import likeness
from seacod.transcript import ReplacementReport

_ARROW = re.compile(r"\s*(?:=>|→|\t)\s*")
_REGEX = re.compile(r"/(.+)/([i]?)")
_REFERENCE = re.compile(r"\\(?:(\d+)|g<(\w+)>)")
_CHINESE = re.compile(r"[\u3400-\u9fff]{2,20}")
_MOST_RULES = 5_000
_MOST_CHARACTERS = 500
# An expression may take so long for a sentence; one that takes longer is left out there.
_REGEX_SECONDS = 0.05
# No rule makes a sentence longer than this many times its length, and then some.
_MOST_TIMES, _AND_CHARACTERS = 4, 400
# So many different replacements are told of one transcript.
_MOST_TOLD = 200

Kind = Literal["plain", "regex", "pinyin"]
Change = tuple[Kind, str, str]


@dataclass(frozen=True, slots=True)
class Problem:
    """A line that is no rule, and why."""

    line: int
    english: str
    chinese: str


@dataclass(frozen=True, slots=True)
class Rule:
    """One line.

    Args:
        kind: how it is looked for.
        old: what is looked for, as it was written.
        new: what is written instead.
        pattern: of a regular expression; None otherwise.
        sounds: of each character of `old`, where what sounds alike is looked for.
    """

    kind: Kind
    old: str
    new: str
    pattern: Any = None
    sounds: tuple[likeness.Sounds, ...] = ()

    def apply(self, text: str, sounds: Sequence[likeness.Sounds]) -> tuple[str, list[Change]]:
        """The text after the rule, and what it has changed.

        Args:
            text: a sentence.
            sounds: of each of its characters; empty where no rule asks for them.
        """
        if self.kind == "plain":
            count = text.count(self.old)
            changes: list[Change] = [("plain", self.old, self.new)] * count
            return (text.replace(self.old, self.new) if count else text), changes
        return self._expression(text) if self.kind == "regex" else self._alike(text, sounds)

    def _expression(self, text: str) -> tuple[str, list[Change]]:
        changes: list[Change] = []

        def one(match: Any) -> str:
            written = str(match.expand(self.new))
            changes.append(("regex", match[0], written))
            return written

        try:
            made = self.pattern.sub(one, text, concurrent=True, timeout=_REGEX_SECONDS)
            return str(made), changes
        except TimeoutError:
            return text, []

    def _alike(self, text: str, sounds: Sequence[likeness.Sounds]) -> tuple[str, list[Change]]:
        changes: list[Change] = []
        parts, at, size = [], 0, len(self.sounds)
        while at < len(text):
            found = text[at : at + size]
            if len(found) == size and all(
                own & heard for own, heard in zip(self.sounds, sounds[at : at + size], strict=True)
            ):
                parts.append(self.new)
                if found != self.new:
                    changes.append(("pinyin", found, self.new))
                at += size
            else:
                parts.append(text[at])
                at += 1
        return ("".join(parts) if changes else text), changes


@dataclass(frozen=True, slots=True)
class Replacements:
    """The rules of a file, in its order."""

    rules: tuple[Rule, ...] = ()

    def apply(self, text: str) -> tuple[str, list[Change]]:
        """A sentence as it is to be written, and what was changed. Takes its time: not on the
        event loop."""
        changes: list[Change] = []
        longest = _MOST_TIMES * len(text) + _AND_CHARACTERS
        sounds: list[likeness.Sounds] | None = None
        for rule in self.rules:
            if rule.kind == "pinyin" and sounds is None:
                sounds = likeness.sounds_of(text)
            made, own = rule.apply(text, sounds or ())
            if own and len(made) <= longest:
                text, sounds = made, None
                changes += own
        return text, changes


def parse(text: str) -> tuple[Replacements, list[Problem]]:
    """The rules in a text, and the lines that are none."""
    rules: list[Rule] = []
    problems: list[Problem] = []
    for number, line in enumerate(text.splitlines(), 1):
        stripped = line.strip()
        if not stripped or stripped.startswith("#"):
            continue
        if len(rules) == _MOST_RULES:
            problems.append(Problem(
                number, f"only the first {_MOST_RULES:,} rules count",
                f"只有前 {_MOST_RULES} 条规则生效",
            ))  # fmt: skip
            break
        try:
            rules.append(_rule(line.strip(" \r")))
        except _BadRule as error:
            problems.append(Problem(number, error.english, error.chinese))
    return Replacements(tuple(rules)), problems


class _BadRule(Exception):
    def __init__(self, english: str, chinese: str) -> None:
        super().__init__(english)
        self.english = english
        self.chinese = chinese


def _rule(line: str) -> Rule:
    if len(line) > _MOST_CHARACTERS:
        raise _BadRule(f"longer than {_MOST_CHARACTERS} characters", f"超过 {_MOST_CHARACTERS} 字")
    old, *rest = _ARROW.split(line, maxsplit=1)
    old = old.strip()
    if old.startswith("~"):
        return _sounding(old[1:].strip(), rest[0].strip() if rest else "")
    if not rest:
        raise _BadRule(
            "no rule: write OLD => NEW, /EXPRESSION/ => NEW or ~WORD",
            "不是规则，应为：旧 => 新、/正则/ => 新 或 ~词语",
        )
    if not old:
        raise _BadRule("nothing to be replaced stands before the arrow", "箭头前没有要替换的内容")
    new = rest[0].strip()
    if expression := _REGEX.fullmatch(old):
        return _regex(expression[1], bool(expression[2]), new)
    return Rule("plain", old, new)


def _regex(expression: str, is_any_case: bool, new: str) -> Rule:
    # Here, since only who has such rules needs it. It knows how long it may take; re does not.
    import regex

    try:
        pattern = regex.compile(expression, regex.IGNORECASE if is_any_case else 0)
        matches_nothing = pattern.search("", timeout=_REGEX_SECONDS) is not None
    except (regex.error, TimeoutError, RecursionError, OverflowError) as error:
        at = getattr(error, "pos", None)
        place = "" if at is None else f"（第 {at + 1} 个字符处）"
        raise _BadRule(f"not a regular expression: {error}", f"正则表达式有误{place}") from None
    if matches_nothing:
        raise _BadRule(
            "the expression also matches empty text; make it match at least one character",
            "该正则可匹配空文本，请至少匹配一个字符",
        )
    for number, name in _REFERENCE.findall(new):
        if (number and int(number[:4]) > pattern.groups) or (
            name and not name.isdigit() and name not in pattern.groupindex
        ):
            raise _BadRule(
                f"the expression has no group \\{number or name}",
                f"正则表达式中没有分组 \\{number or name}",
            )
    # What is no reference is meant as it is written.
    if re.search(r"\\(?![\d\\]|g<\w+>)", new):
        raise _BadRule(
            "behind the arrow a backslash begins \\1, \\g<NAME> or \\\\",
            "箭头后的反斜杠只能用于 \\1、\\g<名称> 或 \\\\",
        )
    return Rule("regex", expression, new, pattern)


def _sounding(word: str, new: str) -> Rule:
    if not _CHINESE.fullmatch(word):
        raise _BadRule(
            "behind ~ stands a word of 2 to 20 Chinese characters",
            "~ 后应为 2 到 20 个汉字的词语",
        )
    if not likeness.is_there():
        raise _BadRule(
            "needs pypinyin, for what sounds alike: pip install 'seacod[pinyin]' in seacod's "
            "environment",
            "按读音替换需要 pypinyin：请在 seacod 的环境中执行 pip install 'seacod[pinyin]'",
        )
    return Rule("pinyin", word, new or word, sounds=tuple(likeness.sounds_of(word)))


def reports(counted: Counter[Change]) -> tuple[ReplacementReport, ...]:
    """What was replaced in a transcript, each once with how often."""
    return tuple(
        ReplacementReport(heard, written, kind, count)
        for (kind, heard, written), count in counted.most_common(_MOST_TOLD)
    )
