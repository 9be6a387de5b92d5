"""What people read: both languages say the same things with the same values."""

from __future__ import annotations

import re
import string
from pathlib import Path

import seacod
from seacod.web.page import texts

TABLES = texts.all_texts()


def values(text: str) -> set[str | None]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}


def test_both_languages_have_the_same_texts_with_the_same_values() -> None:
    assert TABLES["zh"].keys() == TABLES["en"].keys()
    for key, chinese in TABLES["zh"].items():
        assert values(chinese) == values(TABLES["en"][key]), key


def test_each_is_in_its_language() -> None:
    for key, text in TABLES["en"].items():
        assert not re.search(r"[一-鿿]", text.replace("欣悦", "").replace("宏宇", "")), key
    for key, text in TABLES["zh"].items():
        assert re.search(r"[一-鿿]", text), key


def test_no_text_is_left_over() -> None:
    package = Path(seacod.__file__).parent
    sources = [
        *package.glob("web/**/*.py"),
        *package.rglob("static/**/*.js"),
    ]
    code = "".join(path.read_text("utf-8") for path in sources)
    # Put together from a prefix and a state.
    dynamic = ("hotword_", "file_", "job_", "tab_", "format_", "nursery_")
    for key in TABLES["en"]:
        assert re.search(f"[\"']{key}[\"']", code) or key.startswith(dynamic), key


def test_scripts_ask_for_texts_that_are_there() -> None:
    scripts = Path(seacod.__file__).parent.glob("web/page/static/**/*.js")
    asked = set()
    for path in scripts:
        code = path.read_text("utf-8")
        asked |= set(re.findall(r'\b(?:text|say|NoMicrophone)\("([a-z_]+)"', code))
        asked |= set(re.findall(r'\bput\([^;"]*"([a-z_]+)"', code))
    assert {"file_too_long", "plot_none", "mic_insecure", "copied"} <= asked
    assert asked <= TABLES["en"].keys()


def test_what_the_server_says_is_a_sentence_on_a_page() -> None:
    assert texts.sentence("en", "too many tries; wait 3 s") == "Too many tries; wait 3 s."
    assert texts.sentence("zh", "次数过多；请稍后重试") == "次数过多；请稍后重试。"
    assert texts.sentence("en", "access.users: cannot be read.") == "access.users: cannot be read."
