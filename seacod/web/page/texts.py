"""What people read on the page, in Chinese and English: `text/*.json`, and what tabs and output
formats declare themselves."""

from __future__ import annotations

import html
import json
import re
from functools import cache
from importlib import resources

from seacod.formats.registry import all_formats

LANGUAGES = ("zh", "en")


@cache
def _table(language: str) -> dict[str, str]:
    file = resources.files("seacod.web.page").joinpath(f"text/{language}.json")
    table: dict[str, str] = json.loads(file.read_text("utf-8"))
    table.update({f"format_{one.name}": one.title(language) for one in all_formats()})
    # Late: the tabs' skeletons are written with `both`.
    from seacod.web.page.tabs.registry import all_tabs

    for tab in all_tabs():
        table.update({key: pair[LANGUAGES.index(language)] for key, pair in tab.texts.items()})
    return table


def text(language: str, key: str, **values: object) -> str:
    """One text with its values filled in."""
    return _table(language)[key].format(**values)


def sentence(language: str, said: str) -> str:
    """What an error says, as a sentence on a page: with a capital first and a stop at its end."""
    begun = re.sub(r"^[a-z]+(?=[ ,])", lambda word: word[0].capitalize(), said.strip())
    return begun if begun.endswith(tuple(".!?…。！？")) else begun + "。."[language == "en"]


def both(key: str, **values: object) -> str:
    """HTML with both languages; the style sheet shows the one the browser wants."""
    return "".join(
        f'<span class="only-{language}" lang="{language}">'
        f"{html.escape(text(language, key, **values))}</span>"
        for language in LANGUAGES
    )


def all_texts() -> dict[str, dict[str, str]]:
    """All texts, for the scripts: language → key → text."""
    return {language: _table(language) for language in LANGUAGES}
