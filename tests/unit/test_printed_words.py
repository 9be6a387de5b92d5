"""What commands print is in the reader's language: no sentence is printed in English alone, tables
and argparse's own words included."""

from __future__ import annotations

import argparse
import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import typed

import seacod
from seacod.cli.argument_words import CHINESE
from seacod.proving.table import Table

PACKAGE = Path(seacod.__file__).parent
# Names of log events are not for people.
_PRINTERS = ("print", "getpass.getpass", "input")
# A name that stands before every line.
_NAMES = ("seacod: ",)
_ENGLISH = re.compile(r"[A-Za-z]{2,}")


def printed(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Texts that a piece of code prints as they stand there: where, and the text."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func) in _PRINTERS:
            for argument in node.args:
                inner = argument.values if isinstance(argument, ast.JoinedStr) else [argument]
                for part in inner:
                    if isinstance(part, ast.Constant) and isinstance(part.value, str):
                        yield node.lineno, part.value


def test_nothing_is_printed_in_english_alone() -> None:
    wrong = [
        f"{file.relative_to(PACKAGE)}:{line}: {text!r}: use print_words or in_language"
        for file in sorted(PACKAGE.rglob("*.py"))
        for line, text in printed(ast.parse(file.read_text("utf-8")))
        if _ENGLISH.search(text) and text not in _NAMES and text.strip() not in ("MB", "s")
    ]
    assert not wrong, "\n".join(wrong)


def test_such_a_text_is_found() -> None:
    (found,) = printed(ast.parse("print(f'{n} words')"))
    assert found == (1, " words")


@pytest.mark.parametrize(
    ("words", "english", "chinese"),
    [
        (["status", "--bogus"], "unrecognized arguments: --bogus", "无法识别的参数：--bogus"),
        (["access", "key"], "the following arguments are required: name", "缺少必需的参数：name"),
        (["config", "shwo"], "invalid choice: 'shwo'", "无效的值 'shwo'（可选："),
        (["report", "--count", "x"], "invalid int value: 'x'", "无效的值 'x'（类型应为 int）"),
        (["report", "--log"], "expected one argument", "需要一个值"),
    ],
)
def test_what_argparse_says(words: list[str], english: str, chinese: str) -> None:
    for language, said, usage in (
        ("C.UTF-8", english, "usage: "),
        ("zh_CN.UTF-8", chinese, "用法："),
    ):
        done = typed.seacod(*words, LC_ALL=language)
        assert done.returncode == 2
        assert done.stderr.startswith(usage)
        assert said in done.stderr


def test_argparse_still_says_what_is_translated() -> None:
    source = Path(argparse.__file__).read_text("utf-8")
    for words in CHINESE:
        assert repr(words)[1:-1].replace("\\'", "'") in source.replace("\\'", "'"), words


@pytest.mark.parametrize("language", ["C.UTF-8", "zh_CN.UTF-8"])
def test_columns_of_a_table_end_where_their_heads_do(
    language: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from seacod.system.text.terminal import width

    monkeypatch.setenv("LC_ALL", language)
    table = Table[float](
        (("name", "名称"), lambda row: "x"),
        (("audio s / s", "音频秒/秒"), lambda row: f"{row:.1f}"),
        (("p95 s", "P95（秒）"), lambda row: f"{row:.2f}"),
        first_columns=6,
    )
    table.begin()
    table.add(1234.5)
    head, row = capsys.readouterr().out.splitlines()
    assert ("音频秒/秒" in head) == (language != "C.UTF-8")
    assert width(head) == width(row)
