"""Recognised pieces as sentences: where the punctuation model ended one, or where somebody
paused."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from seacod.transcript import Segment, Token, mean_confidence

_ENDS = frozenset("。！？!?；;…")
# Without punctuation: between two words further apart than this a sentence ends.
_PAUSE_SECONDS = 0.75


def sentences(
    written: str, tokens: Sequence[Token], start_seconds: float, end_seconds: float
) -> Iterator[Segment]:
    """Divide one piece into its sentences.

    Args:
        written: its text, punctuated or not.
        tokens: its tokens, times from the start of the file; they are the text without punctuation.
        start_seconds, end_seconds: where it lies, for the outer edges and where tokens have no
            times.
    """
    groups: list[list[Token]] | None
    if written == join([token.text for token in tokens]):
        groups = _by_pauses(tokens)
        parts = [join([token.text for token in group]) for group in groups]
    else:
        parts = _split(written)
        groups = _share(parts, tokens) if len(parts) > 1 else None
    if not groups:
        yield Segment(start_seconds, end_seconds, written, mean_confidence(tokens), tuple(tokens))
        return
    for index, (part, group) in enumerate(zip(parts, groups, strict=True)):
        start = start_seconds if index == 0 else group[0].start_seconds
        end = end_seconds if index == len(parts) - 1 else group[-1].end_seconds
        yield Segment(start, end, part, mean_confidence(group), tuple(group))


def _by_pauses(tokens: Sequence[Token]) -> list[list[Token]]:
    groups: list[list[Token]] = []
    for token in tokens:
        if groups and token.start_seconds - groups[-1][-1].end_seconds < _PAUSE_SECONDS:
            groups[-1].append(token)
        else:
            groups.append([token])
    return groups


def _split(text: str) -> list[str]:
    """Divide a text after each end of a sentence."""
    parts = [""]
    for index, character in enumerate(text):
        parts[-1] += character
        is_last_mark = index + 1 == len(text) or text[index + 1] not in _ENDS
        if character in _ENDS and is_last_mark and index + 1 < len(text):
            parts.append("")
    return [part.strip() for part in parts if part.strip()]


def _share(parts: list[str], tokens: Sequence[Token]) -> list[list[Token]] | None:
    """Divide the tokens among the parts by counting letters; None where they do not add up."""
    groups: list[list[Token]] = []
    rest = list(tokens)
    for part in parts:
        wanted = _letters(part)
        group: list[Token] = []
        while rest and len(_letters(join([t.text for t in group]))) < len(wanted):
            group.append(rest.pop(0))
        if not group or _letters(join([t.text for t in group])) != wanted:
            return None
        groups.append(group)
    return None if rest else groups


def _letters(text: str) -> str:
    return "".join(c for c in text.lower() if c.isalnum())


def join(words: Sequence[str]) -> str:
    """Words as a sentence: blanks only between two of Latin letters or digits."""
    text = ""
    for word in words:
        needs_blank = text and text[-1].isascii() and text[-1].isalnum() and word[:1].isascii()
        text += f" {word}" if needs_blank else word
    return text
