"""The sound of one track of a file, from its packets to what is to be heard."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import av

from seacod.asr.sound import claims, packets, tracks
from seacod.asr.sound.breaks import Breaks
from seacod.asr.sound.channels import ChannelMode, Channels, LaneStretch
from seacod.asr.sound.container import opened
from seacod.asr.sound.findings import Findings
from seacod.asr.sound.level import Level
from seacod.asr.sound.limits import too_long
from seacod.asr.sound.packets import Lost, Packets, RawStream
from seacod.asr.sound.timeline import SAMPLE_RATE, Laid, Planes, Timeline, zero_of
from seacod.errors import BadAudio

# From telephone lines at their worst to measuring equipment.
_MIN_RATE, _MAX_RATE = 2_000, 768_000
_MAX_CHANNELS = 64
# So much less than the header says is rounding.
_SHORT_SECONDS = 0.5
# A stream that begins later than this may have lost its beginning.
_LATE_START = 0.5


class Decoding:
    """The sound of one track, block by block as the decoder gives it.

    Stops as soon as more than `max_seconds` came out, so a file that lies about its length costs
    no more than an honest one.

    Args:
        source: a file that `inspect` has let through, at its beginning.
        max_seconds: longest recording, in seconds.
        track: which audio track, from 1; None for the one a player would take.
        channels: what to do with several channels.
    """

    def __init__(
        self,
        source: Path | BinaryIO,
        *,
        max_seconds: float,
        track: int | None = None,
        channels: ChannelMode = "auto",
    ) -> None:
        self._source = source
        self._limit = max_seconds
        self._track = track
        self._mode = channels
        self.findings = Findings()
        # After the first block.
        self.label = ""
        self.lanes: list[str] = []
        # How long the timeline is, in samples.
        self.samples = 0

    def stretches(self) -> Iterator[LaneStretch]:
        """The sound as it is to be heard: float32, 16 kHz, -1 to 1, each stretch with its lane.

        Raises:
            BadAudio, TooLong, BadRequest.
        """
        chosen: Channels | None = None
        for block, names in self._blocks():
            if chosen is None:
                chosen = Channels(self._mode, names, self.findings)
            yield from chosen.feed(block)
        if chosen is not None:
            yield from chosen.finish()
            self.lanes = chosen.labels

    def _blocks(self) -> Iterator[tuple[Planes, list[str]]]:
        raw, is_late = self._known()
        names: list[str] = []
        with opened(self._source) as (container, file):
            stream = tracks.chosen(container, self._track, self.findings)
            number = next(n for n, s in enumerate(container.streams.audio, 1) if s is stream)
            self.label = tracks.label(stream, number)
            claim = claims.claimed(container, stream, file)
            zero = zero_of(container, self.findings, has_own_zero=is_late)
            reading = Packets(container, stream, raw)
            timeline = Timeline(
                zero, float(stream.time_base or 0), str(container.format.name),
                stream.codec_context.name, self._limit,
                has_stamps=raw is None, is_alone=len(container.streams) == 1,
                findings=self.findings,
            )  # fmt: skip
            level: Level | None = None
            breaks = Breaks(self.findings) if reading.is_plain else None
            for item in reading.decoded():
                if isinstance(item, Lost):
                    timeline.lost(item)
                    continue
                if level is None:
                    _check_sane(item)
                    names = [channel.name for channel in item.layout.channels]
                    level = Level(self.findings)
                for block in self._leveled(timeline.frame(item), level):
                    yield block, names
                if breaks is not None:
                    breaks.take(item, timeline.seconds)
            if level is None:
                if reading.error is not None:
                    raise reading.error
                return
            for block in self._leveled(timeline.finish(), level):
                yield block, names
            for block in level.finish():
                yield block, names
            if breaks is not None:
                breaks.finish()
            self._tell_end(claim, reading, zero)

    def _known(self) -> tuple[RawStream | None, bool]:
        """What has to be read before: of a stream without time stamps, and of one that begins
        late."""
        with opened(self._source) as (container, file):
            stream = tracks.chosen(container, self._track, Findings())
            if packets.is_raw(container):
                return packets.raw_stream(container, stream, file), False
            starts_late = (container.start_time or 0) > _LATE_START * av.time_base
            return None, starts_late and packets.begins_late(container, file)

    def _leveled(self, laid: Iterator[Laid], level: Level) -> Iterator[Planes]:
        limit = int(self._limit * SAMPLE_RATE) + SAMPLE_RATE // 10
        for block, is_silence in laid:
            self.samples += len(block)
            if self.samples > limit:
                raise too_long(self._limit, None)
            yield from level.take(block, is_silence)

    def _tell_end(self, claim: claims.Claim, reading: Packets, zero: float) -> None:
        """Say what the header promised and the file does not hold."""
        there = self.samples / SAMPLE_RATE
        # A picture may go on when the sound has ended, and then nothing is missing.
        ended = max(there, reading.end_seconds - zero)
        lacking = claim.seconds - ended if claim.seconds else 0.0
        is_lacking = bool(claim.seconds) and lacking > max(_SHORT_SECONDS, ended / 100)
        if is_lacking and reading.skipped_at is not None:
            self.findings.note(
                "damaged_somewhere",
                f"the file is damaged at about {reading.skipped_at:.1f} s: {lacking:.1f} s are "
                "missing there, and times after it are too early",
                f"文件在约 {reading.skipped_at:.1f} 秒处损坏，缺失 {lacking:.1f} 秒，"
                "其后的时间偏早",
                reading.skipped_at, there,
            )  # fmt: skip
            self.findings.missing_seconds += lacking
        elif is_lacking:
            self.findings.note(
                "cut_off",
                f"the header says {claim.seconds:.1f} s, {there:.1f} s were there: the rest of the "
                "file is missing",
                f"文件头记录时长 {claim.seconds:.1f} 秒，实际只有 {there:.1f} 秒，其余部分缺失",
                there,
            )
            self.findings.missing_seconds += lacking
        elif reading.is_cut or claim.is_short:
            self.findings.note(
                "cut_off",
                f"the file breaks off at {there:.1f} s, in the middle of its data: it was cut off",
                f"文件在 {there:.1f} 秒处的数据中间中断，可能被截断",
                there,
            )


def _check_sane(frame: Any) -> None:
    """Refuse what only a damaged or hostile header claims: a resampler from 1.3 GHz takes
    15 seconds and more than a gigabyte to set up.
    """
    if not _MIN_RATE <= frame.sample_rate <= _MAX_RATE or frame.layout.nb_channels > _MAX_CHANNELS:
        raise BadAudio(
            f"the file claims {frame.sample_rate} samples a second in {frame.layout.nb_channels} "
            f"channels; {_MIN_RATE} to {_MAX_RATE} in at most {_MAX_CHANNELS} can be decoded",
            f"文件声称采样率为 {frame.sample_rate} Hz、{frame.layout.nb_channels} 声道；"
            f"支持 {_MIN_RATE} 至 {_MAX_RATE} Hz、最多 {_MAX_CHANNELS} 声道",
        )
