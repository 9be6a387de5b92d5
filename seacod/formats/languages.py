"""What the languages are called that a recogniser may write; codes of ISO 639-1."""

from __future__ import annotations

from seacod.system.text.words import Words

_NAMES: dict[str, Words] = {
    "zh": ("Chinese", "中文"),
    "en": ("English", "英语"),
    "ja": ("Japanese", "日语"),
    "ko": ("Korean", "韩语"),
}


def language_name(code: str) -> Words:
    """Its name in English and Chinese; the code itself where we have none."""
    return _NAMES.get(code, (code, f" {code} "))
