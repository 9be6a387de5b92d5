"""Which files of a directory are recordings. A file that is named always is one."""

from __future__ import annotations

from pathlib import PurePath

_ENDINGS = frozenset(
    ".aac .ac3 .aif .aiff .amr .ape .au .avi .caf .flac .flv .m4a .m4b .mka .mkv .mov .mp2 .mp3 "
    ".mp4 .mpeg .mpg .oga .ogg .opus .ts .wav .webm .wma .wmv .wv".split()
)


def is_recording(path: PurePath) -> bool:
    """Whether the ending is one of a recording, whatever its case."""
    return path.suffix.lower() in _ENDINGS
