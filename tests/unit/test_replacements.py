"""Rules for the text after recognition: what each kind does, which lines are none, what is told."""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seacod.asr.replacements import current, likeness
from seacod.asr.replacements.current import CurrentReplacements, problems
from seacod.asr.replacements.rules import parse, reports
from seacod.cli.config import check
from seacod.cli.parser import make_parser
from seacod.config.schema import Settings
from seacod.errors import ConfigError
from seacod.transcript import ReplacementReport


def applied(rules: str, text: str) -> str:
    found, wrong = parse(rules)
    assert wrong == []
    return found.apply(text)[0]


@pytest.mark.parametrize(
    ("rules", "text", "written"),
    [
        ("今天 => 今日", "今天，今天天气", "今日，今日天气"),
        ("今天\t今日", "今天", "今日"),
        ("a b → A/B", "x a b y", "x A/B y"),
        ("嗯 =>", "嗯今天嗯", "今天"),
        (r"/(\d+) ?块/ => \1 元", "花了30块和5 块", "花了30 元和5 元"),
        ("/ok/i => 好", "OK ok Ok", "好 好 好"),
        (r"/(?P<a>今)(天)/ => \g<2>\g<a>", "今天", "天今"),
        # In the order of the file, each on what the one before it has left.
        ("一 => 二\n二 => 三", "一二", "三三"),
        ("# 今天 => 今日\n\n", "今天", "今天"),
        ("1+1 => 2", "1+1", "2"),
    ],
)
def test_what_a_rule_finds_is_written_as_it_says(rules: str, text: str, written: str) -> None:
    assert applied(rules, text) == written


@pytest.mark.parametrize(
    ("rules", "text", "written"),
    [
        ("~欣悦", "新月来了，欣悦也来了", "欣悦来了，欣悦也来了"),
        # Any tone, any reading, and what many speakers mix.
        ("~重庆", "虫请火锅", "重庆火锅"),
        ("~林志宁", "您自林", "林志宁"),
        ("~谢宏宇 => 谢宏宇先生", "找写红鱼", "找谢宏宇先生"),
        ("~欣悦", "新，月 a新1月", "新，月 a新1月"),
        ("~欣悦", "新", "新"),
    ],
)
def test_what_sounds_like_a_word_is_written_so(rules: str, text: str, written: str) -> None:
    assert applied(rules, text) == written


def test_each_line_that_is_no_rule_is_named_and_the_others_apply(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bad = {
        "今天": "no rule",
        " => 好": "nothing to be replaced",
        "/(/ => 好": "not a regular expression",
        "/a*/ => 好": "at least one",
        r"/(a)/ => \2": r"no group \2",
        r"/a/ => \g<b>": r"no group \b",
        r"/a/ => \n": "a backslash begins",
        "~a => b": "2 to 20 Chinese characters",
        "~今": "2 to 20 Chinese characters",
        "一" * 501 + " => 二": "longer than 500",
    }
    found, wrong = parse("\n".join([*bad, "今天 => 今日"]))
    assert [one.line for one in wrong] == list(range(1, len(bad) + 1))
    for one, words in zip(wrong, bad.values(), strict=True):
        assert words in one.english
        assert one.chinese
    assert found.apply("今天")[0] == "今日"
    monkeypatch.setattr(likeness, "is_there", lambda: False)
    (missing,) = parse("~欣悦")[1]
    assert "pip install 'seacod[pinyin]'" in missing.english
    assert len(parse("a => b\n" * 6_000)[0].rules) == 5_000


def test_an_expression_that_takes_too_long_or_writes_too_much_is_left_out_there() -> None:
    rules, _ = parse("/(a|b|ab)*c/ => x\n/(.+)/ => " + r"\1" * 50 + "\n今 => 天")
    made, changes = rules.apply("ab" * 5_000 + "今")
    assert made == "ab" * 5_000 + "天"
    assert changes == [("plain", "今", "天")]


@settings(deadline=None)
@given(st.text(max_size=60))
def test_whatever_was_said_rules_leave_a_text(text: str) -> None:
    rules, _ = parse("/[aeiou]/i => \\\\\n~欣悦\n今 => {x}\n/(天)(气)?/ => \\2\\1")
    made, changes = rules.apply(text)
    assert isinstance(made, str)
    assert changes or made == text


def test_what_was_changed_is_told_once_with_how_often() -> None:
    rules, _ = parse("~欣悦\n嗯 =>")
    changes = [change for text in ("新月嗯", "新月", "心悦") for change in rules.apply(text)[1]]
    assert reports(Counter(changes)) == (
        ReplacementReport("新月", "欣悦", "pinyin", 2),
        ReplacementReport("嗯", "", "plain", 1),
        ReplacementReport("心悦", "欣悦", "pinyin", 1),
    )


def test_the_file_is_read_anew_when_it_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(current, "_LOOK_SECONDS", 0.0)
    file = tmp_path / "rules.txt"

    def settings(path: Path | None) -> Settings:
        return Settings.model_validate({"asr": {"replacements_file": path}})

    async def test() -> None:
        rules = CurrentReplacements(settings(None))
        assert (await rules.now()).rules == ()
        rules.apply(settings(file))
        # It is not there yet.
        assert (await rules.now()).rules == ()
        file.write_bytes("今天 => 今日\n".encode("gb18030"))
        assert (await rules.now()).apply("今天")[0] == "今日"
        fresh = tmp_path / "fresh"
        fresh.write_text("今天 => 本日\nno rule")
        os.replace(fresh, file)
        assert (await rules.now()).apply("今天")[0] == "本日"
        file.unlink()
        assert (await rules.now()).apply("今天")[0] == "本日"
        rules.apply(settings(None))
        assert (await rules.now()).rules == ()

    asyncio.run(test())


def test_config_check_names_each_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rules, config = tmp_path / "rules.txt", tmp_path / "seacod.yaml"
    config.write_text(f"asr:\n  replacements_file: {rules}\n")
    options = make_parser().parse_args(["config", "check", str(config)])
    with pytest.raises(ConfigError, match="rules.txt cannot be read: No such file"):
        check(options)
    rules.write_text("今天 => 今日\n今天\n/(/ => x\n")
    with pytest.raises(ConfigError) as refused:
        check(options)
    first, second = refused.value.message.splitlines()
    assert first.startswith(f"{config}:2: asr.replacements_file: {rules}, line 2: no rule")
    assert "line 3: not a regular expression" in second
    rules.write_text("今天 => 今日\n")
    assert check(options) == 0
    assert list(problems(Settings())) == []
