"""Files as recorders, cutters and bad disks leave them, made with PyAV: time stamps of one's own,
several tracks and channels, damage."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import av.stream
import numpy as np
import numpy.typing as npt

RATE = 16_000
Sound = npt.NDArray[np.float32]


def as_it_is(at: float) -> float | None:
    """Time stamps that nobody changed."""
    return at


@dataclass(frozen=True, slots=True)
class Track:
    """An audio track.

    Args:
        sound: 16 kHz, shape (samples,) or (samples, channels).
        codec: of ffmpeg.
        rate: samples a second in the file.
        shift: gives each packet its time stamp; None leaves it out.
        layout: of the channels; by their number when not given.
        language, title: as players show them.
        is_default: marked so.
    """

    sound: Sound
    codec: str = "aac"
    rate: int = RATE
    shift: Callable[[float], float | None] = as_it_is
    layout: str | None = None
    language: str = ""
    title: str = ""
    is_default: bool | None = None

    @property
    def channels(self) -> int:
        return 1 if self.sound.ndim == 1 else self.sound.shape[1]


def written(
    path: Path, container: str, tracks: Sequence[Track], *, picture_seconds: float = 0.0,
    options: dict[str, str] | None = None,
) -> Path:  # fmt: skip
    """A file with these tracks."""
    with av.open(str(path), "w", format=container, options=options or {}) as out:
        video = out.add_stream("mpeg4", rate=10) if picture_seconds else None
        streams = [_stream(out, track) for track in tracks]
        packets = []
        if video is not None:
            video.width = video.height = 64
            video.pix_fmt = "yuv420p"
            picture = np.full((64, 64, 3), 128, dtype=np.uint8)
            for _ in range(round(picture_seconds * 10)):
                packets += video.encode(av.VideoFrame.from_ndarray(picture, format="rgb24"))
            packets += video.encode(None)
        for stream, track in zip(streams, tracks, strict=True):
            packets += _packets(stream, track)
        # As they lie in a file: by time, whatever their track.
        for packet in sorted(packets, key=lambda one: float(one.dts * one.time_base)):
            out.mux(packet)
    return path


def _stream(out: av.container.OutputContainer, track: Track) -> av.AudioStream:
    layout = track.layout or {1: "mono", 2: "stereo", 4: "quad", 6: "5.1", 8: "7.1"}[track.channels]
    stream = out.add_stream(track.codec, rate=track.rate, layout=layout)
    stream.codec_context.bit_rate = 64_000 * track.channels
    if track.language:
        stream.metadata["language"] = track.language
    if track.title:
        stream.metadata["title"] = track.title
    if track.is_default is not None:
        kind = av.stream.Disposition
        stream.disposition = kind.default if track.is_default else kind(0)
    return stream


def _packets(stream: av.AudioStream, track: Track) -> list[av.Packet]:
    context = stream.codec_context
    layout = context.layout.name
    resampler = av.AudioResampler(
        format=context.format.name, layout=layout, rate=track.rate,
        frame_size=context.frame_size or 1024,
    )  # fmt: skip
    block = np.ascontiguousarray(track.sound.reshape(1, -1), dtype=np.float32)
    source = av.AudioFrame.from_ndarray(block, format="flt", layout=layout)
    source.sample_rate = RATE
    made, samples = [], 0
    for part in (*resampler.resample(source), *resampler.resample(None)):
        part.pts, part.time_base = samples, Fraction(1, track.rate)
        samples += part.samples
        made += stream.encode(part)
    kept = []
    for packet in [*made, *stream.encode(None)]:
        base = packet.time_base
        at = track.shift(float(packet.pts * base))
        if at is not None:
            packet.pts = packet.dts = round(at / base)
            kept.append(packet)
    return kept


def zeroed(path: Path, first: float, last: float) -> Path:
    """The file with zeros from one share of its bytes to another."""
    content = bytearray(path.read_bytes())
    start, end = int(len(content) * first), int(len(content) * last)
    content[start:end] = bytes(end - start)
    path.write_bytes(content)
    return path


def cut(path: Path, share: float) -> Path:
    """The beginning of the file, up to a share of its bytes."""
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    return path
