"""What argparse says itself (`usage:`, what is missing or unknown), in the reader's language.

argparse takes its words through `gettext`, for which Python ships no translations: here they are.
"""

from __future__ import annotations

import argparse

from seacod.system.text.terminal import in_language

CHINESE = {
    "usage: ": "用法：",
    "positional arguments": "位置参数",
    "options": "选项",
    "show this help message and exit": "显示帮助并退出",
    "show program's version number and exit": "显示版本号并退出",
    "%(prog)s: error: %(message)s\n": "%(prog)s：错误：%(message)s\n",
    "argument %(argument_name)s: %(message)s": "参数 %(argument_name)s：%(message)s",
    "unrecognized arguments: %s": "无法识别的参数：%s",
    "the following arguments are required: %s": "缺少必需的参数：%s",
    "one of the arguments %s is required": "必须给出以下参数之一：%s",
    "not allowed with argument %s": "不能与参数 %s 同时使用",
    "expected one argument": "需要一个值",
    "expected at least one argument": "至少需要一个值",
    "expected at most one argument": "最多只能有一个值",
    "expected %s arguments": "需要 %s 个值",
    "ignored explicit argument %r": "该选项不带值，却给出了 %r",
    "ambiguous option: %(option)s could match %(matches)s":
        "选项 %(option)s 不明确，可能是 %(matches)s",
    "invalid %(type)s value: %(value)r": "无效的值 %(value)r（类型应为 %(type)s）",
    "invalid choice: %(value)r (choose from %(choices)s)":
        "无效的值 %(value)r（可选：%(choices)s）",
}  # fmt: skip


def teach_argparse() -> None:
    """From now on it says them; once for the process."""
    vars(argparse).update(_=_said, ngettext=_counted)


def _said(words: str) -> str:
    return in_language(words, CHINESE.get(words, words))


def _counted(one: str, several: str, count: int) -> str:
    return in_language(one if count == 1 else several, CHINESE.get(several, several))
