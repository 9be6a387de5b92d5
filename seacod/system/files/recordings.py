"""Which recordings a command means. A file that is named always is one, whatever its ending."""

from __future__ import annotations

import glob
from collections.abc import Iterator
from pathlib import Path, PurePath

from seacod.errors import BadRequest

_WILD = frozenset("*?[")
_ENDINGS = frozenset(
    ".aac .ac3 .aif .aiff .amr .ape .au .avi .caf .flac .flv .m4a .m4b .mka .mkv .mov .mp2 .mp3 "
    ".mp4 .mpeg .mpg .oga .ogg .opus .ts .wav .webm .wma .wmv .wv".split()
)


def is_recording(path: PurePath) -> bool:
    """Whether the ending is one of a recording, whatever its case."""
    return path.suffix.lower() in _ENDINGS


def meant(text: str) -> Iterator[tuple[Path, Path]]:
    """Each recording that a file, a directory or a wildcard means, and its place below the output
    directory: those of a directory keep theirs.

    Raises:
        BadRequest: nothing is there.
    """
    path = Path(text)
    if path.is_dir():
        inside = sorted(p for p in path.rglob("*") if is_recording(p) and p.is_file())
        if not inside:
            raise BadRequest(
                f"{text}: there is no recording in this directory", f"{text}：该目录中没有录音"
            )
        yield from ((one, one.relative_to(path)) for one in inside)
    elif path.exists():
        yield path, Path(path.name)
    elif _WILD & set(text) and (matches := sorted(glob.glob(text, recursive=True))):
        for match in matches:
            yield from meant(match)
    else:
        raise BadRequest(f"{text}: there is no such file", f"{text}：没有这个文件")
