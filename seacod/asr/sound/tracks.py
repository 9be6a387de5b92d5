"""Which of a file's audio tracks is heard."""

from __future__ import annotations

from typing import Any

from seacod.asr.sound.findings import Findings
from seacod.errors import BadAudio, BadRequest
from seacod.system.text import given_text

# With `track=all`; more would be a film with every dubbing there is.
MAX_TRACKS = 8
_SHOWN = 40


def chosen(container: Any, wanted: int | None, findings: Findings) -> Any:
    """The track to hear.

    Args:
        container: open, with at least one audio track.
        wanted: its number from 1, as people count; None for the one a player would take.
        findings: told of others that are not heard.

    Raises:
        BadRequest: there is no such track.
        BadAudio: it cannot be decoded.
    """
    tracks = container.streams.audio
    if wanted is not None and wanted > len(tracks):
        raise BadRequest(
            f"track={wanted}: the file has {len(tracks)} audio track(s)",
            f"track={wanted}：文件只有 {len(tracks)} 条音轨",
        )
    if wanted is None:
        usable = [track for track in tracks if track.codec_context is not None]
        taken = max(usable, key=_rank) if usable else tracks[0]
    else:
        taken = tracks[wanted - 1]
    if taken.codec_context is None:
        raise BadAudio(
            "the audio track cannot be decoded: its header is damaged, or there is no decoder for "
            "it; convert it (such as with ffmpeg)",
            "无法解码音轨：文件头损坏或编码不受支持，请转换格式后重试",
        )
    if len(tracks) > 1 and wanted is None:
        _tell_others(tracks, taken, findings)
    return taken


def count(container: Any) -> int:
    """How many audio tracks there are to choose from."""
    return min(MAX_TRACKS, len(container.streams.audio))


def label(track: Any, number: int) -> str:
    """A track as people know it: number, language, title."""
    language = given_text.name(str(track.metadata.get("language", "")))
    title = str(track.metadata.get("title", "") or track.metadata.get("handler_name", ""))
    title = given_text.name(title[:_SHOWN])
    # What muxers write when nobody named the track.
    known = [
        part[:_SHOWN]
        for part in (language, title)
        if part and part.lower() not in ("und", "soundhandler", "sound media handler")
    ]
    return f"track {number}" + (f" ({', '.join(known)})" if known else "")


def _rank(track: Any) -> tuple[bool, bool, int, int]:
    """As ffmpeg's program ranks them: the one marked default, then the one with most channels,
    then the first. Tracks for people who do not hear or see well come last."""
    flags = int(track.disposition)
    is_special = bool(flags & _SPECIAL)
    return (
        not is_special, bool(flags & _DEFAULT), int(track.codec_context.channels or 0),
        -track.index,
    )  # fmt: skip


# AV_DISPOSITION_*: https://ffmpeg.org/doxygen/trunk/avformat_8h.html
_DEFAULT = 1 << 0
_COMMENT, _HEARING_IMPAIRED, _VISUAL_IMPAIRED = 1 << 3, 1 << 7, 1 << 8
_SPECIAL = _COMMENT | _HEARING_IMPAIRED | _VISUAL_IMPAIRED


def _tell_others(tracks: Any, taken: Any, findings: Findings) -> None:
    number = next(n for n, track in enumerate(tracks, 1) if track.index == taken.index)
    listed = [label(track, n) for n, track in enumerate(tracks, 1)][: 2 * MAX_TRACKS]
    findings.note(
        "other_tracks",
        f"the file has {len(tracks)} audio tracks ({'; '.join(listed)}); track {number} was heard; "
        "track=N hears another, track=all every one",
        f"文件有 {len(tracks)} 条音轨（{'；'.join(listed)}），识别的是第 {number} 条；"
        "track=N 可指定，track=all 识别全部",
    )
