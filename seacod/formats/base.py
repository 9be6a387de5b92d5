"""What an output format is, and the small pieces that several of them need."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any, Protocol

from seacod.transcript import Segment, Transcript

# A text, the bytes of a file, or what becomes a JSON object.
Rendered = str | bytes | dict[str, Any]


@dataclass(frozen=True, slots=True)
class CueLimits:
    """How much a subtitle may have at most.

    Args:
        seconds: that it is shown.
        wide: Chinese characters in a line, where it has no others.
        narrow: Latin characters in a line, where it has no others.
        lines: below each other.
    """

    seconds: float = 7.0
    wide: int = 20
    narrow: int = 42
    lines: int = 2

    @property
    def line_width(self) -> int:
        """The room of a line: of it a wide character takes `narrow`, a narrow one `wide`."""
        return self.wide * self.narrow


@dataclass(frozen=True, slots=True)
class Choices:
    """What a request says about formats that leave a choice.

    Args:
        granularities: what verbose_json holds ("segment", "word"), as OpenAI's API names it.
        cue_limits: of subtitles.
        wants_log_probabilities: JSON for OpenAI's clients has them.
        shows_warnings: text and documents begin with what a reader ought to know; None for
            documents alone. Other formats say it wherever they can.
        wants_peaks: JSON has what a wave is drawn from.
        recording_name: as people call the file; documents have it, without its ending, as title.
    """

    granularities: Collection[str] = ("segment",)
    cue_limits: CueLimits = CueLimits()
    wants_log_probabilities: bool = False
    shows_warnings: bool | None = None
    wants_peaks: bool = False
    recording_name: str = ""


DEFAULT_CHOICES = Choices()


class Render(Protocol):
    """Writes a transcript."""

    def __call__(self, transcript: Transcript, choices: Choices, /) -> Rendered: ...


@dataclass(frozen=True, slots=True)
class OutputFormat:
    """One format.

    Args:
        name: in requests (`format=`, `also=`), and for `--format` of the command line.
        ending: of its files, with the dot.
        media_type: of an answer over HTTP.
        english: title for people.
        chinese: title for people.
        order: where it is listed; lower comes first.
        render: writes it; a format gives always text, always bytes or always an object.
        render_openai: writes it for OpenAI's API; None where that has no such format.
        is_json: it is an object, and cannot be asked for with `also=`.
        is_binary: it is bytes, and cannot be asked for with `also=`, either.
        is_on_page: the page offers it as a download; text, or the JSON that it has anyway.
        is_in_zip: the results of a batch have a file of it for each recording.
        needs_speakers: whoever asks for it asks for speakers.
        reads: which of OpenAI's own fields `render_openai` takes from the choices,
            "timestamp_granularities" and "include"; of others a client hears that nobody read them.
    """

    name: str
    ending: str
    media_type: str
    english: str
    chinese: str
    order: int
    render: Render
    render_openai: Render | None = None
    is_json: bool = False
    is_binary: bool = False
    is_on_page: bool = False
    is_in_zip: bool = False
    needs_speakers: bool = False
    reads: Collection[str] = ()

    def title(self, language: str) -> str:
        """The title for people in a language, "zh" or "en"."""
        return self.chinese if language == "zh" else self.english

    def write(self, transcript: Transcript, choices: Choices = DEFAULT_CHOICES) -> str:
        """The content of a file in this format, which is not binary."""
        return self.content(transcript, choices).decode()

    def content(self, transcript: Transcript, choices: Choices = DEFAULT_CHOICES) -> bytes:
        """The content of a file in this format."""
        rendered = self.render(transcript, choices)
        if isinstance(rendered, bytes):
            return rendered
        if isinstance(rendered, dict):
            rendered = json.dumps(rendered, ensure_ascii=False, indent=1) + "\n"
        # Half a character, which JSON of somebody else's may hold, cannot be written.
        return rendered.encode("utf-8", "replace")


def clock(seconds: float, separator: str) -> str:
    """Hours:minutes:seconds, and milliseconds after the separator."""
    milliseconds = round(seconds * 1000)
    hours, rest = divmod(milliseconds, 3_600_000)
    minutes, rest = divmod(rest, 60_000)
    return f"{hours:02}:{minutes:02}:{rest // 1000:02}{separator}{rest % 1000:03}"


def one_line(text: str) -> str:
    """The text without line breaks and tabs, which would end a cue or a cell."""
    return " ".join(text.split())


def joined(segments: Iterable[Segment]) -> str:
    """Sentences as one text; a blank marks the end of those without punctuation."""
    text = ""
    for segment in segments:
        text += (" " if text and text[-1].isalnum() else "") + one_line(segment.text)
    return text


def prefix(segment: Segment) -> str:
    """Who speaks, in front of a sentence; nothing where that is not known."""
    return f"{one_line(segment.speaker)}: " if segment.speaker else ""


def rounded(value: float | None) -> float | None:
    """A confidence or a ratio with as many digits as it deserves."""
    return None if value is None else round(value, 4)
