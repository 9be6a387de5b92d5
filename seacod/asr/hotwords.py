"""Hotwords of a request: which words are used, why others are not, and what became of each."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from seacod.asr import hotword_formats
from seacod.asr.recognisers.base import Spelling
from seacod.transcript import HotwordReport, TranscriptWarning

# Letters, digits and ideographs of any script; between them what stands in names.
_WORD = re.compile(r"^\w+(?:['’\-·•‧・ ]\w+)*$")
_UNSAID = re.compile(r"['’\-·•‧・ ]")
MAX_CHARACTERS = 40
# So many words that are not used are named; of more only that there are some.
_MOST_NAMED = 1_000

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

    `of_server` says how many at the end of `words` come from lists of the server.
    """

    words: tuple[str, ...] = ()
    ignored: tuple[HotwordReport, ...] = ()
    warnings: tuple[TranscriptWarning, ...] = ()
    of_server: int = 0

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
    found = hotword_formats.entries(text)
    for entry in found:
        word = entry.word
        if word in words or word in ignored:
            continue
        reason = _objection(entry)
        if reason is None and len(words) >= max_words:
            reason = f"only the first {max_words:,} hotwords count"
        if reason is None:
            words[word] = None
        elif len(ignored) < _MOST_NAMED:
            ignored[word] = reason
        else:
            not_named = True
    told = {
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
    )


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
