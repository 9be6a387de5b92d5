"""Whether a page and its Chinese version agree: sections, commands, tables, links, figures.

`tests/unit/test_chinese_documents.py` asks for all pages. Sentences are not compared: what is
typed, looked up or counted is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from supervised import ROOT

CHINESE = ROOT / "docs" / "zh"
TERMS = CHINESE / "terms.md"
# Each page that has a Chinese version.
PAGES = [ROOT / "README.md"] + [
    ROOT / "docs" / f"{name}.md"
    for name in (
        "install", "operations", "configuration", "api", "page", "security", "monitoring", "scale",
    )
]  # fmt: skip

_HEADING = re.compile(r"(#+) (.*)")
_LINK = re.compile(r"!?\[([^\]]*)\]\(([^)\s]+)\)")
_CODE = re.compile(r"`([^`]+)`")
_COMMENT = re.compile(r"(^|\s)\s*#\s.*$")
# What is named as it is, in any language: alerts, settings.
_NAME = re.compile(r"[a-z]+(?:[._][a-z_]+)*|Seacod\w+")
_DIGITS = re.compile(r"\d+(?:[.,]\d+)*")
_WORDS = dict(
    zip(
        "three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
        "seventeen eighteen nineteen twenty".split(),
        range(3, 21),
        strict=True,
    )
) | {
    "thirty": 30,
    "forty": 40,
    "fifty": 50,
    "sixty": 60,
    "hundred": 100,
    "thousand": 1000,
    "million": 1_000_000,
}
_FRACTIONS = {
    "third": 3, "quarter": 4, "fourth": 4, "fifth": 5, "sixth": 6, "eighth": 8, "tenth": 10,
    "eleventh": 11, "twentieth": 20,
}  # fmt: skip
_NUMERALS = {char: value for value, char in enumerate("零一二三四五六七八九")} | {"两": 2}
_POWERS = {"十": 10, "百": 100, "千": 1000, "万": 10_000}
# Numerals that count nothing.
_IDIOMS = re.compile("千兆|第三方|万一")


@dataclass(slots=True)
class Section:
    """From one heading to the next; the lines before the first heading are one without."""

    level: int
    title: str
    prose: list[str] = field(default_factory=list)
    # Language and lines; of comments the figures.
    blocks: list[tuple[str, list[str]]] = field(default_factory=list)
    # Rows of cells.
    tables: list[list[list[str]]] = field(default_factory=list)

    @property
    def text(self) -> str:
        return "\n".join([self.title, *self.prose])

    @property
    def items(self) -> int:
        """How many points its lists have."""
        return sum(line.startswith("- ") for line in self.prose)


def chinese_of(page: Path) -> Path:
    """Where the Chinese version of a page is."""
    return CHINESE / page.name


def sections(text: str) -> list[Section]:
    """A page, heading by heading."""
    found = [Section(0, "")]
    block: list[str] | None = None
    table = False
    for line in text.splitlines():
        here = found[-1]
        if line.startswith("```"):
            if block is None:
                block = []
                here.blocks.append((line[3:], block))
            else:
                block = None
        elif block is not None:
            block.append(_COMMENT.sub(_figures_of, line).rstrip())
        elif heading := _HEADING.fullmatch(line):
            found.append(Section(len(heading[1]), heading[2]))
        elif line.startswith("|"):
            if not table:
                here.tables.append([])
            here.tables[-1].append([cell.strip() for cell in line.strip("|").split("|")])
        elif not line.startswith("<!--"):
            here.prose.append(line)
        table = line.startswith("|") and block is None
    return found


def differences(english: str, chinese: str, *, page: Path, name: str) -> list[str]:
    """What a page and its Chinese version do not agree about, a sentence each.

    Args:
        english: text of the page.
        chinese: text of its Chinese version.
        page: where the English one is, for its links.
        name: of the Chinese page, for the sentences.
    """
    ours, theirs = sections(english), sections(chinese)
    wrong = list(_headings(ours, theirs, name))
    if wrong:
        # Nothing else can be laid side by side.
        return wrong
    for number, (one, other) in enumerate(zip(ours, theirs, strict=True)):
        where = f"{name}, section {number} “{other.title}” ({one.title})"
        wrong += [f"{where}: {said}" for said in _inside(one, other)]
        wrong += [f"{where}: {said}" for said in _links(one, other, page)]
    return wrong


def typography(text: str) -> list[str]:
    """Where a blank is missing beside Chinese, or punctuation or a sentence is not Chinese."""
    wrong = []
    for section in sections(text):
        lines = [
            *section.prose,
            *(cell for table in section.tables for row in table for cell in row),
        ]
        for line in [section.title, *lines]:
            plain = _CODE.sub("X", _LINK.sub(r"\1", line)).replace("**", "").replace("*", "")
            for pattern, what in (
                (r"[一-鿿][A-Za-z0-9]|[A-Za-z0-9%][一-鿿]", "a blank is missing"),
                (r"[一-鿿][,;:?!()]|[,;:?!()][一-鿿]", "punctuation that is not Chinese"),
                (r"([A-Za-z]{2,} ){4}[a-z]{2,}", "English"),
            ):
                if found := re.search(pattern, plain):
                    wrong.append(f"“{section.title}”: {what} at “{found[0]}” in: {line.strip()}")
    return wrong


def figures(text: str) -> set[str]:
    """Numbers in digits, and in English or Chinese words from three on."""
    plain = _IDIOMS.sub("", _CODE.sub("", re.sub(r"https?://\S+", "", _LINK.sub(r"\1", text))))
    found = {re.sub(r",(?=\d{3})", "", one) for one in _DIGITS.findall(plain)}
    values = [*_in_english(plain), *_in_chinese(plain)]
    return found | {str(value) for value in values if value > 2}


def _figures_of(comment: re.Match[str]) -> str:
    return " ".join([f"{comment[1]}#", *sorted(figures(comment[0]))])


def _in_english(text: str) -> Iterator[int]:
    value = 0
    for word in [*re.findall(r"[a-z]+", text.lower()), ""]:
        singular = word.removesuffix("s")
        if singular in _FRACTIONS:
            yield _FRACTIONS[singular]
        number = _WORDS.get(word) or _WORDS.get(singular)
        if number is None:
            yield value
            value = 0
        else:
            value = (value or 1) * number if number >= 100 else value + number


def _in_chinese(text: str) -> Iterator[int]:
    for numerals in re.findall(rf"[{''.join([*_NUMERALS, *_POWERS])}]+", text):
        whole = digit = 0
        for char in numerals:
            if char in _NUMERALS:
                digit = _NUMERALS[char]
            else:
                whole = (whole + digit or 1) * 10_000 if char == "万" else (
                    whole + (digit or 1) * _POWERS[char]
                )  # fmt: skip
                digit = 0
        yield whole + digit


def _headings(ours: list[Section], theirs: list[Section], name: str) -> Iterator[str]:
    for number, (one, other) in enumerate(zip(ours, theirs, strict=False)):
        if one.level != other.level or (one.title != other.title and _NAME.fullmatch(one.title)):
            yield (
                f"{name}: section {number} is “{'#' * other.level} {other.title}”, in English "
                f"“{'#' * one.level} {one.title}”"
            )
            return
    for one in ours[len(theirs) :]:
        yield f"{name}: the section “{one.title}” of the English page is missing"
    for one in theirs[len(ours) :]:
        yield f"{name}: the section “{one.title}” is not in the English page"


def _inside(one: Section, other: Section) -> Iterator[str]:
    """What differs within a section."""
    for what, mine, its in (
        ("blocks of code", len(one.blocks), len(other.blocks)),
        ("tables", len(one.tables), len(other.tables)),
        ("points of lists", one.items, other.items),
    ):
        if mine != its:
            yield f"{its} {what}, in English {mine}"
    for (language, lines), (its_language, its_lines) in zip(one.blocks, other.blocks, strict=False):
        if language != its_language:
            yield f"a block of {its_language}, in English of {language}"
        for line, its_line in zip([*lines, ""], [*its_lines, ""], strict=False):
            if line != its_line:
                yield f"the line “{its_line}” of a block is in English “{line}”"
                break
    for rows, its_rows in zip(one.tables, other.tables, strict=False):
        yield from _rows(rows, its_rows)
    yield from _spans(one.text, other.text)


def _rows(rows: list[list[str]], its_rows: list[list[str]]) -> Iterator[str]:
    if len(rows) != len(its_rows):
        yield f"a table of {len(its_rows)} rows, in English {len(rows)}"
        return
    for number, (row, its_row) in enumerate(zip(rows, its_rows, strict=True)):
        where = f"row {number} of a table, “{its_row[0]}”"
        if len(row) != len(its_row):
            yield f"{where}: {len(its_row)} columns, in English {len(row)}"
            continue
        for cell, its_cell in zip(row, its_row, strict=True):
            for said in _spans(cell, its_cell):
                yield f"{where}: {said}"


def _spans(mine: str, its: str) -> Iterator[str]:
    """Code and figures of two texts."""
    for what, find in (("`{}`", _code), ("the figure {}", figures)):
        ours, theirs = find(mine), find(its)
        for missing in sorted(ours - theirs):
            yield f"{what.format(missing)} is missing"
        for more in sorted(theirs - ours):
            yield f"{what.format(more)} is not in English"


def _code(text: str) -> set[str]:
    return {" ".join(one.split()) for one in _CODE.findall(text)}


def _links(one: Section, other: Section, page: Path) -> Iterator[str]:
    cells = [[c for table in s.tables for row in table for c in row] for s in (one, other)]
    ours = _targets("\n".join([one.text, *cells[0]]), page)
    theirs = _targets("\n".join([other.text, *cells[1]]), chinese_of(page))
    for missing in sorted(ours - theirs):
        yield f"a link to {missing} is missing"
    for more in sorted(theirs - ours):
        yield f"the link to {more} is not in English"


def _targets(text: str, page: Path) -> set[str]:
    """Where the links of a text lead; a page and its Chinese version are the same place."""
    english = {chinese_of(one): one for one in PAGES}
    found = set()
    for _, target in _LINK.findall(text):
        if target.startswith(("http://", "https://")):
            found.add(target)
            continue
        file, _, anchor = target.partition("#")
        there = (page.parent / file).resolve() if file else page
        if there == TERMS or (not anchor and there in (english.get(page), chinese_of(page))):
            # Between the versions, and to the list of terms.
            continue
        if re.search("[a-z]+-(zh|en)$", there.stem):
            there = there.with_stem(there.stem[:-3])
        if anchor and (there in english or there in PAGES):
            anchor = f"section {slugs(there.read_text('utf-8')).index(anchor)}"
        elif anchor == "中文":
            anchor = ""
        name = english.get(there, there).relative_to(ROOT)
        found.add(f"{name}, {anchor}" if anchor else str(name))
    return found


def slugs(text: str) -> list[str]:
    """What links call the headings of a page."""
    titles = [section.title for section in sections(text)]
    return [re.sub(r"[^\w -]", "", title).lower().replace(" ", "-") for title in titles]
