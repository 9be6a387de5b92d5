"""What a request carries and nobody reads: a warning for each that names the field that was meant.

Each route says what it reads (`KnownFields`), made from what it documents. Refuses nothing: a field
that is unknown here may mean something to another service.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import partial

from seacod.transcript import TranscriptWarning

# What other services and their articles call it; the first of these that a route reads is meant.
_MEANT = {
    "prompt": ("initial_prompt",),
    "hotwords": ("hotword", "hot_words", "hot_word", "hotwordlist", "hotword_list", "keywords",
                 "keyword", "phrases", "vocabulary", "bias", "prompt", "initial_prompt", "热词"),
    "format": ("response_format", "output_format", "output", "result_format", "fmt"),
    "response_format": ("format", "output_format", "output"),
    "speakers": ("speaker", "num_speakers", "speaker_count", "speaker_num", "diarize",
                 "diarization", "spk", "enable_spk", "spk_num", "speaker_diarization"),
    "track": ("audio_track", "tracks"),
    "url": ("urls", "audio_url", "file_url", "link", "uri", "source_url"),
    "callback_url": ("callback", "webhook_url", "notify_url"),
    "channels": ("channel", "channel_mode"),
    "stream": ("streaming",),
    "sample_rate": ("rate", "samplerate", "audio_fs", "fs", "sampling_rate"),
    "offset_seconds": ("offset",),
    "max_line_characters": ("max_chars", "max_line_length", "max_line_width"),
    "max_cue_seconds": ("max_duration", "max_cue_duration"),
    "timestamp_granularities[]": ("timestamp_granularity", "timestamps", "word_timestamps"),
}  # fmt: skip
# A form may have dozens: so many are named.
_NAMED = 8
_SHOWN_CHARACTERS = 40


@dataclass(frozen=True, slots=True)
class KnownFields:
    """What a route reads.

    Args:
        fields: of the form, or of the message.
        query: those of them that may also stand in the address.
        several: those that may come more than once, or in parts (`name[]`, `name[part]`).
    """

    fields: frozenset[str]
    query: frozenset[str] = frozenset()
    several: frozenset[str] = frozenset()

    def unread(
        self, given: Mapping[str, Sequence[str]], query: Iterable[str] = ()
    ) -> tuple[TranscriptWarning, ...]:
        """Warnings for whatever is not read.

        Args:
            given: the fields of the form, each with its values.
            query: names in the address.
        """
        found = [
            partial(self._unknown, name)
            for name in given
            if name not in self.fields and _whole(name) not in self.several
        ]
        found += [
            partial(_repeated, name, len(values))
            for name, values in given.items()
            if name in self.fields and len(values) > 1 and _whole(name) not in self.several
        ]
        # In the order of the address, each once.
        misplaced = [name for name in dict.fromkeys(query) if name not in self.query]
        found += [partial(self._misplaced, name) for name in misplaced]
        rest = len(found) - _NAMED
        # Finding out what was meant takes a moment for each: not for those that are not named.
        named = (write() for write in found[:_NAMED])
        return (*named, *((_more(rest),) if rest > 0 else ()))

    def _unknown(self, name: str) -> TranscriptWarning:
        shown, meant = _shown(name), self._meant(name)
        if meant is None:
            return _warning(
                f"the field {shown!r} is not known here and was not read",
                f"未知字段 {shown}，已忽略",
            )
        return _warning(
            f"the field {shown!r} is not known here and was not read; the right one is {meant!r}",
            f"未知字段 {shown}，已忽略；正确的字段名是 {meant}",
        )

    def _misplaced(self, name: str) -> TranscriptWarning:
        shown = _shown(name)
        meant = name if name in self.fields else self._meant(name)
        if meant is None:
            return _warning(
                f"{shown!r} in the address is not known here and was not read",
                f"地址中的参数 {shown} 未知，已忽略",
            )
        if meant in self.query:
            return _warning(
                f"{shown!r} in the address is not known here and was not read; the right one is "
                f"{meant!r}",
                f"地址中的参数 {shown} 未知，已忽略；正确的名称是 {meant}",
            )
        return _warning(
            f"{shown!r} in the address was not read; send it as the field {meant!r} of the form",
            f"地址中的参数 {shown} 未被读取；请作为表单字段 {meant} 发送",
        )

    def _meant(self, name: str) -> str | None:
        """The field that somebody meant who wrote `name`."""
        plain = name.strip().lower().replace("-", "_")
        for known, others in _MEANT.items():
            if known in self.fields and (plain in others or plain == known):
                return known
        without = {one.removesuffix("[]"): one for one in sorted(self.fields)}
        close = get_close_matches(plain[:_SHOWN_CHARACTERS].removesuffix("[]"), without, 1, 0.8)
        return without[close[0]] if close else None


def _whole(name: str) -> str:
    """The field of which this is a part."""
    return name.partition("[")[0]


def _repeated(name: str, times: int) -> TranscriptWarning:
    return _warning(
        f"the field {name!r} came {times} times; the last was read",
        f"字段 {name} 出现了 {times} 次，仅读取最后一个",
    )


def _more(count: int) -> TranscriptWarning:
    return _warning(f"and {count} more were not read", f"另有 {count} 项未被读取")


def _warning(english: str, chinese: str) -> TranscriptWarning:
    return TranscriptWarning("ignored_field", english, chinese)


def _shown(name: str) -> str:
    return name if len(name) <= _SHOWN_CHARACTERS else name[: _SHOWN_CHARACTERS - 1] + "…"
