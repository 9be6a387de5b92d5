"""The packets of a track, decoded; what cannot be is told, with its place.

Streams without a container (MP3, AAC, AC-3, AMR) have no time stamps: damage in them is so many
bytes, and how long those were is estimated from the others.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import av.error

from seacod.asr.sound import frames
from seacod.asr.sound.frames import TAGS, Hole
from seacod.asr.sound.reader import Reader

# ffmpeg makes up time stamps for these by counting frames.
_RAW = frozenset(("mp3", "aac", "ac3", "eac3", "amr", "amrnb", "amrwb", "dts", "loas", "mlp"))
# Codecs for which zeros are silence: each sample, or its difference to the last, in so many bits.
_PLAIN = ("pcm_", "dsd_", "adpcm_")
_LONGEST_FRAME = 8192
_SKIPPED_BYTES = 4096
# So many packets say how many bytes a second of a raw stream takes.
_MEASURED_PACKETS = 3000
# After so many errors without a packet between, nothing more comes.
_ERRORS_IN_A_ROW = 64


@dataclass(frozen=True, slots=True)
class Lost:
    """Sound that could not be decoded.

    Args:
        at: its time stamp in seconds; None where there is none.
        seconds: how long it was, or probably was.
    """

    at: float | None
    seconds: float


@dataclass(frozen=True, slots=True)
class RawStream:
    """A stream without time stamps.

    Args:
        bytes_a_second: by which what was lost is measured; None where frames are counted.
        holes: what was found to be missing between its frames.
    """

    bytes_a_second: float | None
    holes: tuple[Hole, ...]


class Packets:
    """Decodes one track.

    Args:
        container, stream: open, nothing read yet.
        raw: what is known of a stream without time stamps; None for one that has them.
    """

    def __init__(self, container: Any, stream: Any, raw: RawStream | None) -> None:
        self._container = container
        self._stream = stream
        self._raw = raw
        # Samples as they are: zeros are silence.
        self.is_plain = stream.codec_context.name.startswith(_PLAIN)
        self.has_any = False
        self.error: Exception | None = None
        # Where the last packet of any track ends, and whether the file broke off.
        self.end_seconds = 0.0
        self._units: dict[int, float] = {}
        self.is_cut = False
        # An AVI has no time stamps, only an order. Where data in it was skipped, in seconds.
        self._is_ordered = str(container.format.name) == "avi"
        self._next_byte: int | None = None
        self.skipped_at: float | None = None

    def decoded(self) -> Iterator[Any | Lost]:
        """Frames, and in their places what was lost."""
        held: Lost | None = None
        holes = list(self._raw.holes) if self._raw is not None else []
        number, index = 0, self._stream.index
        for packet in self._packets():
            if packet.stream_index != index:
                continue
            if packet.size:
                if held is not None:
                    yield held
                    held = None
                while holes and holes[0].packets <= number:
                    yield Lost(None, holes.pop(0).seconds)
                number += 1
            frames, lost = self._decode(packet)
            for frame in frames:
                self.has_any = True
                yield frame
            held = lost or held
        if held is not None:
            self.is_cut = True
            yield held
        for hole in holes:
            yield Lost(None, hole.seconds)

    def _packets(self) -> Iterator[Any]:
        """All packets: those of other tracks say how long the file is. Where it is damaged, ffmpeg
        finds its way again."""
        errors = 0
        while errors < _ERRORS_IN_A_ROW:
            try:
                for packet in self._container.demux():
                    if packet.size:
                        errors = 0
                        self._note_end(packet)
                    yield packet
                return
            except av.error.EOFError:
                return
            except av.error.FFmpegError as error:
                self.error = self.error or error
                errors += 1
        self.is_cut = True

    def _note_end(self, packet: Any) -> None:
        if self._is_ordered and packet.pos is not None:
            expected = self._next_byte
            if expected is not None and packet.pos - expected > _SKIPPED_BYTES:
                self.skipped_at = self.end_seconds if self.skipped_at is None else self.skipped_at
            self._next_byte = packet.pos + packet.size
        if packet.pts is not None:
            unit = self._units.get(packet.stream_index)
            if unit is None:
                unit = self._units[packet.stream_index] = float(packet.stream.time_base or 0)
            self.end_seconds = max(self.end_seconds, (packet.pts + (packet.duration or 0)) * unit)

    def _decode(self, packet: Any) -> tuple[list[Any], Lost | None]:
        data = b"" if self.is_plain or not packet.size else bytes(packet)
        if len(data) > 5 and not data[0] and not data.strip(b"\0"):
            return [], self._lost(packet, len(data))
        try:
            frames = packet.decode()
        except av.error.FFmpegError as error:
            if self._raw is not None and any(mark in data for mark in TAGS):
                return [], None
            self.error = self.error or error
            return [], self._lost(packet, len(data))
        is_partial = packet.is_corrupt and not self.is_plain
        return frames, self._lost(packet, 0) if is_partial else None

    def _lost(self, packet: Any, size: int) -> Lost:
        base = packet.time_base or self._stream.time_base
        at = float(packet.pts * base) if packet.pts is not None and base else None
        seconds = float((packet.duration or 0) * base) if base else 0.0
        if self._raw is None:
            return Lost(at, seconds)
        if self._raw.bytes_a_second is None:
            return Lost(None, seconds)
        return Lost(None, size / self._raw.bytes_a_second)


def is_raw(container: Any) -> bool:
    """Whether a stream has no time stamps of its own."""
    return str(container.format.name) in _RAW


def begins_late(container: Any, file: Reader) -> bool:
    """Whether there is data between the headers of a stream and its first packet: the time stamps
    begin late because that is damaged, not because the recording began elsewhere."""
    name = str(container.format.name)
    if name == "flac":
        return True
    if name != "ogg":
        return False
    first = next((packet for packet in container.demux() if packet.size), None)
    headers = file.head(1 << 20).rfind(b"OggS", 0, max(1, (first.pos if first else 0) or 0))
    return first is not None and (first.pos or 0) - headers > _SKIPPED_BYTES


def raw_stream(container: Any, stream: Any, file: Reader) -> RawStream:
    """What is known of a stream for which `is_raw` holds. Reads it."""
    name = str(container.format.name)
    if name in frames.KINDS:
        return RawStream(None, tuple(frames.holes(file, name)))
    return RawStream(_measured(container, stream), ())


def _measured(container: Any, stream: Any) -> float:
    """How many bytes a second takes, by the first packets."""
    size = seconds = 0.0
    try:
        for number, packet in enumerate(container.demux(stream)):
            is_frame = 0 < packet.size <= _LONGEST_FRAME and packet.duration
            if is_frame and bytes(packet).strip(b"\0"):
                size += packet.size
                seconds += float(packet.duration * packet.time_base)
            if number > _MEASURED_PACKETS:
                break
    except av.error.FFmpegError:
        pass
    if seconds:
        return max(size / seconds, 1.0)
    return max((stream.codec_context.bit_rate or 64_000) / 8, 1.0)
