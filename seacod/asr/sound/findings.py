"""What is noticed about a recording while it is decoded: stretches that are missing, tracks that
were not heard. Becomes the warnings of its transcript.

Bounded: of each kind so many stretches are named, the rest is counted.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from seacod.transcript import TranscriptWarning

_NAMED = 12
# Stretches of one kind that lie closer together are told as one.
_JOIN_SECONDS = 1.0

# Each with a place for where and how long; `{a}` to `{b}` are seconds.
_STRETCHES: dict[str, tuple[str, str]] = {
    "damaged": (
        "the file is damaged from {a} to {b} s: what was said there is missing",
        "文件在 {a} 至 {b} 秒处损坏，该段内容缺失",
    ),
    "damaged_somewhere": (
        "the file is damaged at about {a} s: about {n} s are missing there, and times after it are "
        "estimates",
        "文件在约 {a} 秒处损坏，缺失约 {n} 秒，其后的时间为估计值",
    ),
    "missing": (
        "the file holds no sound from {a} to {b} s, as its time stamps say",
        "根据时间戳，文件在 {a} 至 {b} 秒处没有声音数据",
    ),
    "zeroed": (
        "from {a} to {b} s the sound breaks off and there is nothing at all, not even noise: data "
        "may be lost",
        "{a} 至 {b} 秒处声音突然中断且完全无信号，数据可能已丢失",
    ),
    "overlapping": (
        "from {a} to {b} s the time stamps of the file overlap: {n} s of sound were left out",
        "文件在 {a} 至 {b} 秒处时间戳重叠，略去了 {n} 秒声音",
    ),
    "joined": (
        "at {a} s the time stamps of the file jump: what follows is placed right after it",
        "文件的时间戳在 {a} 秒处跳变，其后的内容紧接着计时",
    ),
    "mixed": (
        "from {a} to {b} s the channels hold different voices, which were mixed; "
        "channels=split hears each by itself",
        "{a} 至 {b} 秒处各声道为不同的声音，已混合识别；channels=split 可分声道识别",
    ),
    "channel_taken": (
        "from {a} to {b} s the channels cancel each other out: one of them was heard instead of "
        "their mix",
        "{a} 至 {b} 秒处各声道相互抵消，已改用其中一个声道",
    ),
}
# Less is no word: one frame of MP3 or AAC, as it is lost where two files were put one behind the
# other.
_TOLD_SECONDS = 0.05
# Kinds whose seconds count as sound that was lost.
_LOST = ("damaged", "damaged_somewhere", "missing", "zeroed")


@dataclass(slots=True)
class _FindingStretch:
    start: float
    end: float
    seconds: float


@dataclass(slots=True)
class Findings:
    """All that was found in one recording."""

    missing_seconds: float = 0.0
    _stretches: dict[str, list[_FindingStretch]] = field(default_factory=dict)
    _left_out: dict[str, int] = field(default_factory=dict)
    _notes: dict[str, TranscriptWarning] = field(default_factory=dict)

    def stretch(self, kind: str, start: float, end: float, seconds: float | None = None) -> None:
        """Note a stretch of the recording.

        Args:
            kind: one of those above.
            start, end: in seconds of the file.
            seconds: how much of it is concerned; all, when not given.
        """
        length = end - start if seconds is None else seconds
        if kind in _LOST:
            self.missing_seconds += length
        known = self._stretches.setdefault(kind, [])
        if known and start - known[-1].end < _JOIN_SECONDS and kind != "joined":
            known[-1].end = max(known[-1].end, end)
            known[-1].seconds += length
        elif len(known) < _NAMED:
            known.append(_FindingStretch(start, end, length))
        else:
            self._left_out[kind] = self._left_out.get(kind, 0) + 1

    def note(
        self,
        code: str,
        message: str,
        chinese: str,
        start: float | None = None,
        end: float | None = None,
    ) -> None:
        """Note something about the whole recording; the first of its kind stays."""
        self._notes.setdefault(code, TranscriptWarning(code, message, chinese, start, end))

    def warnings(self) -> list[TranscriptWarning]:
        """Everything as sentences, in the order of the recording."""
        said = []
        for kind, stretches in self._stretches.items():
            english, chinese = _STRETCHES[kind]
            for one in stretches:
                if kind in _LOST and one.seconds < _TOLD_SECONDS:
                    continue
                values = {
                    "a": _short(one.start), "b": _short(one.end), "n": _short(one.seconds),
                }  # fmt: skip
                said.append(
                    TranscriptWarning(
                        kind, english.format(**values), chinese.format(**values),
                        round(one.start, 3), round(one.end, 3),
                    )
                )  # fmt: skip
            if more := self._left_out.get(kind, 0):
                said.append(
                    TranscriptWarning(
                        kind, f"and {more} more stretches of this kind ({kind})",
                        f"另有 {more} 处同类情况（{kind}）",
                    )
                )  # fmt: skip
        said.sort(key=lambda one: one.start_seconds if one.start_seconds is not None else 1e9)
        return [*self._notes.values(), *said]


def _short(seconds: float) -> str:
    return f"{seconds:.1f}"
