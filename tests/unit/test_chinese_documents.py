"""Each page that has a Chinese version agrees with it: sections, commands, tables, links, figures.

When this fails after a page was changed: change docs/zh, too; the sentences say where and what.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from documented import CHINESE
from supervised import ROOT
from translated import PAGES, TERMS, chinese_of, differences, figures, typography

ENGLISH = """\
# Title

The queue holds 20 requests, for ten minutes: `seacod check`, and [more](other.md).

- one
- another

```sh
seacod check      # all five
```

## Further

| key | means |
|---|---|
| `a.b` | 3 s |
"""
CHINESE_PAGE = """\
# 标题

队列可容纳 20 个请求，保留十分钟：`seacod check`，以及[更多](../other.md)。

- 一
- 二

```sh
seacod check      # 全部五项
```

## 其他

| 配置项 | 含义 |
|---|---|
| `a.b` | 3 秒 |
"""


def _name(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_a_page_and_its_chinese_version_agree(page: Path) -> None:
    chinese = chinese_of(page)
    assert not (found := differences(
        page.read_text("utf-8"), chinese.read_text("utf-8"), page=page, name=_name(chinese)
    )), "\n".join(found)  # fmt: skip


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_the_versions_lead_to_each_other(page: Path) -> None:
    chinese = chinese_of(page)
    way = {ROOT / "README.md": "docs/zh/README.md"}.get(page, f"zh/{page.name}")
    assert f"[中文]({way})" in page.read_text("utf-8").split("\n## ")[0], page.name
    back = "../../README.md" if page.name == "README.md" else f"../{page.name}"
    assert f"[English]({back})" in chinese.read_text("utf-8").split("\n## ")[0], page.name


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_a_page_with_a_chinese_version_is_in_english(page: Path) -> None:
    prose = re.sub(r"```.*?^```|`[^`]*`|\[中文\]", "", page.read_text("utf-8"), flags=re.M | re.S)
    found = re.findall(r".*[，。；].*", prose)
    assert not found, "\n".join(found)


def test_no_chinese_page_is_without_an_english_one() -> None:
    assert set(CHINESE) == {chinese_of(page) for page in PAGES} | {TERMS}


@pytest.mark.parametrize("page", CHINESE, ids=_name)
def test_chinese_is_set_as_chinese(page: Path) -> None:
    assert not (found := typography(page.read_text("utf-8"))), "\n".join(found)


@pytest.mark.parametrize("page", [one for one in CHINESE if one != TERMS], ids=_name)
def test_terms_are_used_as_they_are_listed(page: Path) -> None:
    rows = re.findall(r"^\| [^|]+ \| ([^|]+) \| ([^|]*) \|", TERMS.read_text("utf-8"), re.MULTILINE)
    instead = {no: yes for yes, noes in rows[2:] for no in noes.strip().split("、") if no}
    assert len(instead) > 20
    text = page.read_text("utf-8")
    found = [f"{no}: write {yes} (terms.md)" for no, yes in instead.items() if no in text]
    assert not found, "\n".join(found)


def test_pages_that_agree_have_no_differences() -> None:
    assert differences(ENGLISH, CHINESE_PAGE, page=PAGES[1], name="docs/zh/x.md") == []
    assert typography(CHINESE_PAGE) == []


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("\n## 其他", "\n### 其他", "section 2 is “### 其他”, in English “## Further”"),
        ("\n## 其他\n", "\n", "the section “Further” of the English page is missing"),
        ("20 个", "30 个", "section 1 “标题” (Title): the figure 20 is missing"),
        ("20 个", "30 个", "section 1 “标题” (Title): the figure 30 is not in English"),
        ("十分钟", "五分钟", "section 1 “标题” (Title): the figure 10 is missing"),
        ("`seacod check`", "`seacod chekc`", "`seacod check` is missing"),
        (
            "seacod check  ",
            "seacod status ",
            "the line “seacod status # 5” of a block is in English",
        ),
        ("全部五项", "全部六项", "the line “seacod check # 6” of a block is in English"),
        ("```sh", "```text", "a block of text, in English of sh"),
        ("- 二\n", "", "1 points of lists, in English 2"),
        ("| `a.b` | 3 秒 |\n", "", "a table of 2 rows, in English 3"),
        ("| `a.b` |", "| `a.c` |", "row 2 of a table, “`a.c`”: `a.b` is missing"),
        ("3 秒", "4 秒", "section 2 “其他” (Further): row 2 of a table, “`a.b`”: the figure 3"),
        ("../other.md", "../another.md", "a link to docs/other.md is missing"),
    ],
)
def test_what_differs_is_said_and_where(old: str, new: str, said: str) -> None:
    assert old in CHINESE_PAGE
    faulty = CHINESE_PAGE.replace(old, new)
    found = differences(ENGLISH, faulty, page=PAGES[1], name="docs/zh/x.md")
    assert any(one.startswith("docs/zh/x.md") and said in one for one in found), found


@pytest.mark.parametrize(
    "line",
    [
        "共20 个",
        "共 20个",
        "用`seacod`",
        "好,",
        "（见 a)好",
        "好: 坏",
        "This was not put into Chinese",
    ],
)
def test_what_is_set_wrongly_is_found(line: str) -> None:
    assert typography(line)


@pytest.mark.parametrize(
    ("english", "chinese"),
    [
        ("ten thousand", "一万"), ("twenty-five", "二十五"), ("four fifths", "五分之四"),
        ("a tenth", "十分之一"), ("hundreds", "数百"), ("1,000", "1000"), ("eleventh", "第十一"),
        ("three hundred", "三百"), ("one or two", "一两个"),
    ],
)  # fmt: skip
def test_figures_are_the_same_in_both_languages(english: str, chinese: str) -> None:
    assert figures(english) == figures(chinese)
