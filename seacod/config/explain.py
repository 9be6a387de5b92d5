"""What is wrong with a configuration, in an operator's words: which key, what it may be, and
the right key nearest to a wrong one. Used by what reads settings."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Sequence
from typing import Any

from seacod.config.keys import KeyPath, leaves
from seacod.config.schema import SECTIONS
from seacod.errors import ConfigError
from seacod.system.text.masking import without_credentials
from seacod.system.text.words import Words, reason

_DECIMAL = re.compile(r"[-+]?[0-9.]+")

_WHOLE_NUMBER: Words = ("a whole number", "整数")
_NUMBER: Words = ("a number", "数字")
# pydantic's error types in an operator's words; `{...}` is what its context has.
_MUST_BE: dict[str, Words] = {
    "int_parsing": _WHOLE_NUMBER,
    "int_parsing_size": _WHOLE_NUMBER,
    "int_type": _WHOLE_NUMBER,
    "int_from_float": _WHOLE_NUMBER,
    "float_parsing": _NUMBER,
    "float_type": _NUMBER,
    "finite_number": _NUMBER,
    "string_type": ("a text", "文本"),
    "string_too_short": ("a text that is not empty", "非空文本"),
    "string_too_long": (
        "a text of at most {max_length} characters",
        "不超过 {max_length} 个字符",
    ),
    "path_type": ("a path", "路径"),
    "greater_than_equal": ("greater than or equal to {ge}", "不小于 {ge} 的数"),
    "less_than_equal": ("less than or equal to {le}", "不大于 {le} 的数"),
    "literal_error": ("{expected}", "{expected}"),
}
# Of a value that is wrong.
_SHOWN_CHARACTERS = 76
_CHOICES = ("literal_error", "string_pattern_mismatch")
SHOW: Words = ("see: seacod config show", "参见：seacod config show")


def refused(problems: Sequence[Words]) -> ConfigError:
    """What is wrong with a configuration, a line for each thing."""
    return ConfigError("\n".join(en for en, _ in problems), "\n".join(zh for _, zh in problems))


def told_of(where: Words, key: str, problem: Words) -> Words:
    """One line: where, which key, what is wrong with it."""
    return (
        f"{where[0]}: {f'{key}: ' if key else ''}{problem[0]}",
        f"{where[1]}：{f'{key}：' if key else ''}{problem[1]}",
    )


def did_you_mean(name: str) -> Words:
    return f"did you mean {name}?", f"是否应为 {name}？"


def nearest(path: KeyPath) -> Words:
    """A hint that names the right key nearest to a wrong one."""
    dotted = ".".join(path)
    every = [".".join(leaf) for leaf in leaves()]
    siblings = [leaf for leaf in every if leaf.rpartition(".")[0] == ".".join(path[:-1])]
    by_last = {leaf.rpartition(".")[2]: leaf for leaf in every}
    candidates = (
        difflib.get_close_matches(dotted, siblings, n=1, cutoff=0.7)
        or ([by_last[path[-1]]] if path[-1] in by_last else [])
        or (difflib.get_close_matches(path[-1], sorted(SECTIONS), n=1) if len(path) == 1 else [])
        or [by_last[key] for key in difflib.get_close_matches(path[-1], by_last, n=1)]
        or difflib.get_close_matches(dotted, every, n=1)
    )
    if candidates:
        return did_you_mean(candidates[0])
    return (
        "all keys with their meaning: seacod config example",
        "全部键及说明：seacod config example",
    )


def described(item: Any, where: Callable[[KeyPath], Words]) -> Words:
    """One pydantic error as a line for people.

    Args:
        item: as pydantic has it.
        where: gives where a key comes from.
    """
    path = tuple(str(part) for part in item["loc"])
    if item["type"] == "value_error":
        # A check of ours, which says it all; the value may be a secret put in the wrong place.
        problem = reason(item["ctx"]["error"])
        if len(path) < 2:
            # Of combinations, of sections or in one; it names its key first.
            name, _, english = problem[0].partition(": ")
            path = (*path, *name.split("."))
            problem = english, problem[1].partition("：")[2]
        return told_of(where(path), ".".join(path), problem)
    given = item.get("input")
    english, chinese = _must_be(item, path)
    # A password in the wrong place is not shown to whoever reads the log.
    shown = without_credentials(_shown(given))
    if len(shown) > _SHOWN_CHARACTERS:
        shown = f"{shown[:_SHOWN_CHARACTERS]}...{shown[-1]}"
    seen = ("empty", "空") if given is None else (shown, shown)
    # Between Chinese and Latin letters is a blank, and nowhere else.
    gap = " " if chinese[0].isascii() else ""
    problem = f"is {seen[0]}; it must be {english}", f"值为 {seen[1]}；应为{gap}{chinese}"
    return told_of(where(path), ".".join(path), problem)


def _shown(given: Any) -> str:
    return given if isinstance(given, str) and _DECIMAL.fullmatch(given) else repr(given)


def _must_be(item: Any, path: KeyPath) -> Words:
    """What a value has to be, in words."""
    if item["type"] == "string_pattern_mismatch" and len(path) == 2:
        words = SECTIONS[path[0]].declared(path[1]).form
    elif (known := _MUST_BE.get(item["type"])) is not None:
        context = item.get("ctx", {})
        words = known[0].format(**context), known[1].format(**context)
        if item["type"] == "literal_error":
            words = words[0], words[1].replace(", ", "、").replace(" or ", " 或 ")
    else:
        words = str(item["msg"]).replace("Input should be ", "", 1), "其他形式"
    # The words in quotes, or between commas, are what may be written.
    choices = re.findall(r"[A-Za-z][\w-]+", words[0]) if item["type"] in _CHOICES else []
    near = difflib.get_close_matches(str(item.get("input")), choices, n=1)
    if not near:
        return words
    hint = did_you_mean(near[0])
    return f"{words[0]}; {hint[0]}", f"{words[1]}；{hint[1]}"
