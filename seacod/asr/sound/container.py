"""A file opened as what it is, or refused with a sentence."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any, BinaryIO

import av
import av.error

from seacod.asr.sound.limits import too_big
from seacod.asr.sound.reader import Reader
from seacod.errors import BadAudio, EmptyAudio, SeacodError
from seacod.system.text.words import reason

# ffmpeg opens what a file refers to (playlists, concat lists, network addresses). We hand it an
# open file, so it needs no protocol at all; and no container that is a list of others gets through.
_OPEN_OPTIONS = {"protocol_whitelist": "none"}
_LISTS = frozenset({"concat", "hls", "dash", "applehttp", "webm_dash_manifest", "sdp", "imf"})
_HEAD_BYTES = 1 << 20
# How archives begin; tar has a checksum instead (POSIX.1-2017, pax, "ustar Interchange Format").
_ARCHIVES = (
    (b"PK\x03\x04", "zip"), (b"PK\x05\x06", "zip"), (b"\x1f\x8b", "tar.gz"),
    (b"7z\xbc\xaf\x27\x1c", "7z"), (b"Rar!\x1a\x07", "rar"), (b"\xfd7zXZ\x00", "xz"),
    (b"BZh", "bzip2"), (b"\x28\xb5\x2f\xfd", "zstd"),
)  # fmt: skip
_TAR_HEADER, _TAR_SUM = 512, slice(148, 156)
# https://www.rfc-editor.org/rfc/rfc8794#section-8.1 and 9559: the header, and where sound begins.
_EBML, _CLUSTER = b"\x1a\x45\xdf\xa3", b"\x1f\x43\xb6\x75"


@contextmanager
def opened(source: Path | BinaryIO, max_bytes: float = math.inf) -> Iterator[tuple[Any, Reader]]:
    """Open the container, its errors turned into ours.

    Args:
        source: a private file of ours, or one that is open.
        max_bytes: size of the biggest file.

    Raises:
        EmptyAudio, TooBig, BadAudio: it is none, or nothing can be heard in it.
    """
    try:
        with source.open("rb") if isinstance(source, Path) else nullcontext(source) as opened_file:
            # A descriptor instead of a name: nothing in the name can mean anything to ffmpeg.
            file = Reader(opened_file.fileno())
            if file.size == 0:
                raise EmptyAudio("the file is empty (0 bytes)", "文件为空（0 字节）")
            if file.size > max_bytes:
                raise too_big(int(max_bytes))
            # Before ffmpeg sees it, which hears an MP3 in whatever holds one.
            _refuse_archive(file.head(_TAR_HEADER))
            try:
                container = av.open(
                    file.beside(), mode="r", options=_OPEN_OPTIONS, metadata_errors="ignore"
                )
            except (av.error.FFmpegError, EOFError):
                _tell_known(file)
                raise
            with container:
                if container.format.name in _LISTS:
                    raise _not_audio()
                if not container.streams.audio:
                    raise BadAudio(
                        "the file has no sound track; send a recording with sound",
                        "文件中没有音轨，请上传含有声音的录音",
                    )
                for stream in container.streams.audio:
                    # The cage has no others to give: WavPack's decoder fails for want of them.
                    if (decoder := stream.codec_context) is not None:
                        decoder.thread_type, decoder.thread_count = "NONE", 1
                yield container, file
    except SeacodError:
        raise
    except (av.error.FFmpegError, ValueError, EOFError, IndexError, UnicodeError) as error:
        raise _not_audio() from error
    except OSError as error:
        if isinstance(error, FileNotFoundError) or error.errno:
            why, chinese = reason(error)
            raise BadAudio(
                f"the file cannot be read: {why}", f"无法读取该文件：{chinese}"
            ) from error
        raise _not_audio() from error


def _refuse_archive(head: bytes) -> None:
    name = next((name for mark, name in _ARCHIVES if head.startswith(mark)), None)
    if name is None and _is_tar(head):
        name = "tar"
    if name is not None:
        raise BadAudio(
            f"this is an archive ({name}), not a recording; only batches take archives, as "
            "zip, and not one inside another: pack the recordings themselves as zip",
            f"这是压缩包（{name}），不是录音；仅批量任务支持 zip 压缩包，且不支持嵌套，"
            "请将录音直接打包为 zip",
        )


def _is_tar(head: bytes) -> bool:
    given = head[_TAR_SUM].strip(b" \0")
    if len(head) < _TAR_HEADER or not head[0] or not given.isdigit():
        return False
    blank = head[: _TAR_SUM.start] + b" " * 8 + head[_TAR_SUM.stop :]
    try:
        return int(given, 8) == sum(blank)
    except ValueError:
        return False


def _tell_known(file: Reader) -> None:
    """Say what is wrong with a file that cannot be opened, where that is known.

    Raises:
        BadAudio: the end is missing, and with it the index.
        EmptyAudio: a recorder has written its header and nothing else yet.
    """
    head = file.head(_HEAD_BYTES)
    is_whole = len(head) < _HEAD_BYTES
    if head.startswith(_EBML) and is_whole and _CLUSTER not in head:
        raise EmptyAudio(
            "the file has a header and no sound; the recording was stopped before it began",
            "文件只有文件头、没有声音，录音可能在开始前就已停止",
        )
    if head[4:8] == b"ftyp" and b"moov" not in head[:_HEAD_BYTES]:
        raise BadAudio(
            "the file was cut off: its index, which comes last, is missing; send the whole file",
            "文件不完整：末尾的索引缺失，请上传完整的文件",
        )


def _not_audio() -> BadAudio:
    return BadAudio(
        "the file is not audio that can be decoded; send WAV, MP3, M4A, OGG, FLAC, WebM or any "
        "other format ffmpeg knows",
        "无法解码该文件，请上传 WAV、MP3、M4A、OGG、FLAC、WebM 等 ffmpeg 支持的音频",
    )
