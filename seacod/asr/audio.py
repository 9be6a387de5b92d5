"""Uploads to samples: what a file is (before decoding), and its sound as 16 kHz mono.

PyAV brings ffmpeg's decoders along, so no program is needed. Runs in the decoding processes
(`decoder/`), never on an event loop. File names are never looked at, only contents.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import av
import av.error
import numpy as np
import numpy.typing as npt

from seacod.errors import BadAudio, EmptyAudio, SeacodError, TooBig, TooLong

SAMPLE_RATE = 16_000
Samples = npt.NDArray[np.float32]

# ffmpeg opens what a file refers to (playlists, concat lists, network addresses). We hand it an
# open file, so it needs no protocol at all; and no container that is a list of others gets through.
_OPEN_OPTIONS = {"protocol_whitelist": "none"}
_LISTS = frozenset({"concat", "hls", "dash", "applehttp", "webm_dash_manifest", "sdp", "imf"})
# A recording shorter than this has no frame of speech features (25 ms).
MIN_SECONDS = 0.1
# From telephone lines at their worst to measuring equipment.
_MIN_RATE, _MAX_RATE = 2_000, 768_000
_MAX_CHANNELS = 64


@dataclass(frozen=True, slots=True)
class AudioInfo:
    """What the container of a file says about it.

    `duration_seconds` is None when it says nothing (a live recording of a browser, raw streams).
    """

    size_bytes: int
    duration_seconds: float | None
    sample_rate: int
    channels: int
    codec: str
    container: str


def inspect(source: Path | BinaryIO, *, max_seconds: float, max_bytes: int) -> AudioInfo:
    """Read the header and refuse at once what is too long, too big, empty or not audio.

    Args:
        source: a private file of ours, or one that is open at its beginning.
        max_seconds: longest recording, in seconds.
        max_bytes: biggest file, in bytes.

    Raises:
        EmptyAudio, TooBig, TooLong, BadAudio: with a sentence naming the limit.
    """
    size = source.stat().st_size if isinstance(source, Path) else os.fstat(source.fileno()).st_size
    if size == 0:
        raise EmptyAudio("the file is empty (0 bytes)", "文件为空（0 字节）")
    if size > max_bytes:
        raise too_big(max_bytes)
    with _opened(source) as container:
        stream = container.streams.audio[0]
        info = AudioInfo(
            size_bytes=size,
            duration_seconds=_duration(container, stream),
            sample_rate=int(stream.codec_context.sample_rate or 0),
            channels=int(stream.codec_context.channels or 0),
            codec=str(stream.codec_context.name),
            container=str(container.format.name),
        )
    if info.duration_seconds is not None and info.duration_seconds > max_seconds:
        raise too_long(max_seconds, info.duration_seconds)
    return info


def decoded(source: Path | BinaryIO, *, max_seconds: float) -> Iterator[Samples]:
    """The sound of the first audio stream, block by block as the decoder gives it.

    Stops as soon as more than `max_seconds` came out, so a file that lies about its length costs
    no more than an honest one.

    Args:
        source: a file that `inspect` has let through, at its beginning.
        max_seconds: longest recording, in seconds.

    Yields:
        float32, mono, 16 kHz, -1 to 1, shape (samples,).

    Raises:
        BadAudio, TooLong.
    """
    limit = int(max_seconds * SAMPLE_RATE) + SAMPLE_RATE // 10
    total = 0
    with _opened(source) as container:
        for block in _blocks(container):
            total += len(block)
            if total > limit:
                raise too_long(max_seconds, None)
            # A decoder may hand out NaN or infinity for broken float files; the model would fall
            # over.
            if not np.isfinite(block).all():
                block = np.nan_to_num(block, nan=0.0, posinf=0.0, neginf=0.0)
            yield np.clip(block, -1.0, 1.0)


def decode(source: Path | BinaryIO, *, max_seconds: float) -> Samples:
    """Decode the whole file at once; see `decoded`.

    Raises:
        BadAudio, EmptyAudio, TooLong.
    """
    blocks = list(decoded(source, max_seconds=max_seconds))
    check_enough(sum(map(len, blocks)))
    return np.concatenate(blocks)


def check_enough(samples: int) -> None:
    """Whether a decoded recording has anything to hear in it.

    Raises:
        EmptyAudio: it has too little or none.
    """
    if samples < MIN_SECONDS * SAMPLE_RATE:
        raise EmptyAudio(
            f"the recording holds {samples / SAMPLE_RATE:.2f} s of sound; at least {MIN_SECONDS} s "
            "is needed",
            f"录音只有 {samples / SAMPLE_RATE:.2f} 秒，至少需要 {MIN_SECONDS} 秒",
        )


def too_long(max_seconds: float, found_seconds: float | None) -> TooLong:
    """The error for a recording over the limit."""
    found = f" ({found_seconds:.0f} s)" if found_seconds is not None else ""
    found_zh = f"（{found_seconds:.0f} 秒）" if found_seconds is not None else ""
    return TooLong(
        f"the recording{found} is longer than the limit of {max_seconds:g} s; cut it into shorter "
        "pieces",
        f"录音{found_zh}超过 {max_seconds:g} 秒的上限，请切成较短的片段后再试",
    )


def too_big(max_bytes: int) -> TooBig:
    """The error for a file over the limit."""
    mib = max_bytes / (1024 * 1024)
    return TooBig(
        f"the file is bigger than the limit of {mib:g} MiB; compress it or cut it",
        f"文件超过 {mib:g} MiB 的上限，请压缩或切分后再试",
    )


def too_slow() -> BadAudio:
    """The error for a file that takes long and gives no sound meanwhile."""
    return BadAudio(
        "the file takes too long to read: it is damaged, or made of a great many empty parts; "
        "convert it (such as with ffmpeg) and send it again",
        "读取该文件耗时过长：文件已损坏或包含大量空数据块，请转换格式后重试",
    )


@contextmanager
def _opened(source: Path | BinaryIO) -> Iterator[Any]:
    """Open the container, its errors turned into ours."""
    try:
        # A descriptor instead of a name: nothing in the name can mean anything to ffmpeg.
        with source.open("rb") if isinstance(source, Path) else nullcontext(source) as file:
            with av.open(file, mode="r", options=_OPEN_OPTIONS, metadata_errors="ignore") as opened:
                if opened.format.name in _LISTS:
                    raise _not_audio()
                if not opened.streams.audio:
                    raise BadAudio(
                        "the file has no sound track; send a recording with sound",
                        "文件中没有音轨，请上传含有声音的录音",
                    )
                if opened.streams.audio[0].codec_context is None:
                    raise _not_audio()  # a damaged header, or a codec nobody has a decoder for
                yield opened
    except SeacodError:
        raise
    except (av.error.FFmpegError, ValueError, EOFError, IndexError, UnicodeError) as error:
        raise _not_audio() from error
    except OSError as error:
        if isinstance(error, FileNotFoundError) or error.errno:
            raise BadAudio(f"the file cannot be read: {os.strerror(error.errno or 0)}") from error
        raise _not_audio() from error


def _not_audio() -> BadAudio:
    return BadAudio(
        "the file is not audio that can be decoded; send WAV, MP3, M4A, OGG, FLAC, WebM or any "
        "other format ffmpeg knows",
        "无法解码该文件，请上传 WAV、MP3、M4A、OGG、FLAC、WebM 等 ffmpeg 支持的音频",
    )


def _duration(container: Any, stream: Any) -> float | None:
    """The longest length that header or stream claim, in seconds."""
    claims = []
    if container.duration:
        claims.append(container.duration / av.time_base)
    if stream.duration and stream.time_base:
        claims.append(float(stream.duration * stream.time_base))
    return max(claims) if claims else None


def _blocks(container: Any) -> Iterator[Samples]:
    """The sound in decoded, resampled, mono pieces. Damaged parts and a broken end are left out; a
    recording without a single good part is an error.
    """
    resampler = av.AudioResampler(format="flt", layout="mono", rate=SAMPLE_RATE)
    has_any = False
    for frame in _frames(container):
        if not has_any:
            _check_sane(frame)
            has_any = True
        # Timestamps of cut or joined files jump; only the order of samples counts here.
        frame.pts = None
        for part in resampler.resample(frame):
            yield part.to_ndarray().reshape(-1).astype(np.float32, copy=False)
    for part in resampler.resample(None) if has_any else ():
        yield part.to_ndarray().reshape(-1).astype(np.float32, copy=False)


def _frames(container: Any) -> Iterator[Any]:
    """The frames that can be decoded. Like ffmpeg's own program, only a bad packet is skipped."""
    has_any = False
    first_error: Exception | None = None
    try:
        for packet in container.demux(container.streams.audio[0]):
            try:
                frames = packet.decode()
            except av.error.FFmpegError as error:
                first_error = first_error or error
                continue
            for frame in frames:
                has_any = True
                yield frame
    except av.error.FFmpegError as error:
        first_error = first_error or error
    if first_error is not None and not has_any:
        raise first_error


def _check_sane(frame: Any) -> None:
    """Refuse what only a damaged or hostile header claims: a resampler from 1.3 GHz takes
    15 seconds and more than a gigabyte to set up.
    """
    if (
        not _MIN_RATE <= frame.sample_rate <= _MAX_RATE
        or len(frame.layout.channels) > _MAX_CHANNELS
    ):
        raise BadAudio(
            f"the file claims {frame.sample_rate} samples a second in {len(frame.layout.channels)} "
            f"channels; {_MIN_RATE} to {_MAX_RATE} in at most {_MAX_CHANNELS} can be decoded",
            f"文件声称采样率为 {frame.sample_rate} Hz、{len(frame.layout.channels)} 声道；"
            f"支持 {_MIN_RATE} 至 {_MAX_RATE} Hz、最多 {_MAX_CHANNELS} 声道",
        )
