"""Hotwords of a request: which words are used, why others are not, and what became of each."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from seacod.asr import hotword_formats
from seacod.asr.recognisers.base import Spelling
from seacod.system.text.words import Words
from seacod.transcript import HotwordReport, TranscriptWarning

# Letters, digits and ideographs of any script; between them what stands in names.
_WORD = re.compile(r"^\w+(?:['’\-·•‧・ ]\w+)*$")
_UNSAID = re.compile(r"['’\-·•‧・ ]")
MAX_CHARACTERS = 40
# So many words that are not used are named; of more only that there are some.
_MOST_NAMED = 1_000
# Of a text, one character in so many may be of no script; of a short one, a few.
_UNREADABLE_ONE_IN, _FEW_UNREADABLE = 50, 5
# A list has so many entries that are no words, and they are most of it: it is something else.
_FEW_UNUSABLE = 10

WEIGHTS = TranscriptWarning(
    "hotword_weights",
    "the weights of the hotwords were read, but are not used: all words count alike",
    "已读取热词权重，但不使用权重，所有热词同等对待",
)
NOT_NAMED = TranscriptWarning(
    "hotwords_not_named",
    "more hotwords were given than are used (limits.max_hotwords) or named here",
    "热词数量超过上限，超出部分未使用，也未逐一列出",
)
NOT_READ = TranscriptWarning(
    "hotwords_not_read",
    "the list of hotwords is too long; what is behind its first 100,000 characters was not read",
    "热词表过长，末尾部分未读取",
)
UNUSABLE_CODE = "hotwords_unusable"
NO_HOTWORDS = TranscriptWarning(
    "hotwords_not_supported",
    "this model has no hotwords: those that were given are not used",
    "该模型不支持热词，所给热词未使用",
)
_NOT_SUPPORTED = "this model has no hotwords"
FROM_SERVER = "in the list of the server"


@dataclass(frozen=True, slots=True)
class Hotwords:
    """The words to use, and those that are not used with the reason.

    `of_server` says how many at the end of `words` come from lists of the server; `trouble` why
    this is hardly a list of words, empty where it is one.
    """

    words: tuple[str, ...] = ()
    ignored: tuple[HotwordReport, ...] = ()
    warnings: tuple[TranscriptWarning, ...] = ()
    of_server: int = 0
    trouble: str = ""

    def joined(self, server: Hotwords) -> Hotwords:
        """These, and behind them those of the server's list that are not among them."""
        known = set(self.words)
        more = tuple(word for word in server.words if word not in known)
        return replace(self, words=self.words + more, of_server=self.of_server + len(more))


def parse(given: str | Iterable[str] | None, max_words: int) -> Hotwords:
    """Clean what somebody gave.

    Args:
        given: a text in any form people have (`hotword_formats.py`), or a list of such.
        max_words: how many are used.
    """
    text = given if isinstance(given, str) else "\n".join(given or ())
    words: dict[str, None] = {}
    ignored: dict[str, str] = {}
    not_named = False
    unusable = 0
    found = hotword_formats.entries(text)
    for entry in found:
        word = entry.word
        if word in words or word in ignored:
            continue
        reason = _objection(entry)
        unusable += reason is not None
        if reason is None and len(words) >= max_words:
            reason = f"only the first {max_words:,} hotwords count"
        if reason is None:
            words[word] = None
        elif len(ignored) < _MOST_NAMED:
            ignored[word] = reason
        else:
            not_named = True
    english, chinese = _trouble(text, unusable, len(found)) or ("", "")
    unread = TranscriptWarning(
        UNUSABLE_CODE, f"the list of hotwords cannot be used: {english}", f"热词表不可用：{chinese}"
    )
    told = {
        unread: bool(english),
        WEIGHTS: any(entry.weight is not None for entry in found),
        NOT_NAMED: not_named,
        NOT_READ: len(text) > hotword_formats.MAX_CHARACTERS,
    }
    return Hotwords(
        tuple(words),
        tuple(
            HotwordReport(word[:MAX_CHARACTERS], "ignored", reason)
            for word, reason in ignored.items()
        ),
        tuple(warning for warning, holds in told.items() if holds),
        trouble=english,
    )


def _trouble(text: str, unusable: int, entries: int) -> Words | None:
    """Why this is hardly a list of words; None where it is one."""
    strange, length = hotword_formats.unreadable(text)
    if strange > max(_FEW_UNREADABLE, length // _UNREADABLE_ONE_IN):
        return (
            f"it is not a text file, {strange:,} of its first {length:,} characters are "
            "unreadable; save it as text (UTF-8)",
            f"不是文本文件，前 {length:,} 个字符中有 {strange:,} 个无法识别，请另存为 UTF-8 文本",
        )
    if unusable >= _FEW_UNUSABLE and unusable * 2 > entries:
        return (
            f"{unusable:,} of its {entries:,} entries are not hotwords",
            f"{entries:,} 个条目中有 {unusable:,} 个不是有效的热词",
        )
    return None


def _objection(entry: hotword_formats.HotwordEntry) -> str | None:
    """Why a word is not used; None when it is."""
    word = entry.word
    if not _WORD.match(word) or word.lower().startswith("http"):
        return "not a word (letters, digits and Chinese characters only)"
    if len(word) > MAX_CHARACTERS:
        return f"longer than {MAX_CHARACTERS} characters"
    if entry.weight is not None and entry.weight <= 0:
        return f"its weight is {entry.weight:g}: no word can be made less likely"
    return None


def report(
    hotwords: Hotwords, text: str, spell: Callable[[str], Spelling], is_read: bool = True
) -> tuple[HotwordReport, ...]:
    """What became of each word of the request, and which of the server's were heard.

    Args:
        hotwords: the words of the request.
        text: the recognised text; several forms of it may follow each other, a line each.
        spell: how the recogniser writes a word.
        is_read: `Recogniser.reads_hotwords`.
    """
    if not is_read:
        own_words = hotwords.words[: len(hotwords.words) - hotwords.of_server]
        unread = (HotwordReport(word, "ignored", _NOT_SUPPORTED) for word in own_words)
        return (*unread, *hotwords.ignored)
    found = []
    lowered = _UNSAID.sub("", text.lower())
    own = len(hotwords.words) - hotwords.of_server
    for number, word in enumerate(hotwords.words):
        spelling = spell(word)
        forms = (word.lower(), *spelling.forms)
        if any(_UNSAID.sub("", form) in lowered for form in forms):
            found.append(HotwordReport(word, "matched", FROM_SERVER if number >= own else ""))
        elif number >= own:
            continue
        elif spelling.missing:
            reason = f"the model cannot write: {spelling.missing}"
            found.append(HotwordReport(word, "unknown_characters", reason))
        else:
            found.append(HotwordReport(word, "not_heard"))
    return (*found, *hotwords.ignored)
