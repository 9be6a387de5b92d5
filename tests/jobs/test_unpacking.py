"""Archives in a batch: what is in them, and what is wrong with them."""

from __future__ import annotations

import io
import struct
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seacod.errors import BadRequest, SeacodError, StorageFull, TooBig
from seacod.jobs.unpacking import Bounds, unpack

BOUNDS = Bounds(max_files=10, max_file_bytes=1000, max_unpacked_bytes=3000, free_refuse_bytes=0)


def packed(*files: tuple[str, bytes], compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", compression) as archive:
        for name, content in files:
            archive.writestr(name, content)
    return target.getvalue()


def upload(directory: Path, *files: tuple[str, bytes]) -> list[tuple[str, Path]]:
    directory.mkdir(exist_ok=True)
    paths = []
    for number, (name, content) in enumerate(files, 1):
        path = directory / f"upload-{number:04}"
        path.write_bytes(content)
        paths.append((name, path))
    return paths


def test_recordings_are_numbered_through(tmp_path: Path) -> None:
    archive = packed(("月/甲.wav", b"1"), ("__MACOSX/月/._甲.wav", b"x"), ("月/", b""),
                     (".DS_Store", b"x"), ("Thumbs.db", b"x"), ("乙.wav", b"22"))  # fmt: skip
    files = upload(tmp_path / "in", ("a.wav", b"a"), ("all.zip", archive), ("b.wav", b"b"))
    assert unpack(tmp_path / "in", files, BOUNDS) == ["a.wav", "月/甲.wav", "乙.wav", "b.wav"]
    found = {path.name: path.read_bytes() for path in (tmp_path / "in").iterdir()}
    assert found == {"0001": b"a", "0002": b"1", "0003": b"22", "0004": b"b"}


def test_names_lead_nowhere(tmp_path: Path) -> None:
    archive = packed(("../../outside.wav", b"1"), ("/etc/passwd", b"2"), ("a\\..\\b.wav", b"3"))
    names = unpack(tmp_path / "in", upload(tmp_path / "in", ("x.zip", archive)), BOUNDS)
    assert len(names) == 3
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["0001", "0002", "0003", "in"]


@pytest.mark.parametrize("encoding", ["gb18030", "utf-8"])
def test_names_without_a_mark_are_read(tmp_path: Path, encoding: str) -> None:
    """As Windows in China and macOS write them."""
    raw = "会议.wav".encode(encoding)
    body = packed(("x" * len(raw), b"1"), compression=zipfile.ZIP_STORED)
    archive = body.replace(b"x" * len(raw), raw)
    assert unpack(tmp_path / "in", upload(tmp_path / "in", ("x.zip", archive)), BOUNDS) == [
        "会议.wav"
    ]


def test_what_is_wrong_is_said(tmp_path: Path) -> None:
    good = packed(("a.wav", b"12345" * 100))
    broken = bytearray(good)
    broken[40] ^= 0xFF
    marked = bytearray(good)
    # The bit for encryption, in both headers.
    marked[6] |= 1
    directory = good.rindex(b"PK\x01\x02")
    marked[directory + 8] |= 1
    method = bytearray(good)
    struct.pack_into("<H", method, 8, 97)
    struct.pack_into("<H", method, directory + 10, 97)
    for content, kind, words in (
        (good[:-30], BadRequest, "cannot be read"),
        (bytes(broken), BadRequest, "cannot be read"),
        (bytes(method), BadRequest, "cannot be read"),
        (bytes(marked), BadRequest, "encrypted"),
        (packed(("empty/", b"")), BadRequest, "cannot be read|no file"),
        (packed((".hidden", b"1")), BadRequest, "no file"),
        (packed(("big.wav", bytes(1001))), TooBig, r"big\.wav: "),
        (packed(*((f"{n}.wav", bytes(900)) for n in range(4))), TooBig, "unpacked"),
        (packed(*((f"{n}.wav", b"1") for n in range(11))), BadRequest, "more than 10 files"),
    ):
        files = upload(tmp_path / "in", ("x.zip", content))
        with pytest.raises(kind, match=words) as raised:
            unpack(tmp_path / "in", files, BOUNDS)
        assert raised.value.chinese != raised.value.message
        for path in sorted((tmp_path / "in").rglob("*"), reverse=True):
            path.rmdir() if path.is_dir() else path.unlink()


def test_the_disk_keeps_its_reserve(tmp_path: Path) -> None:
    bounds = Bounds(10, 1000, 3000, free_refuse_bytes=1 << 62)
    files = upload(tmp_path / "in", ("x.zip", packed(("a.wav", b"1"))))
    with pytest.raises(StorageFull):
        unpack(tmp_path / "in", files, bounds)


def test_a_small_archive_of_much_is_stopped_on_the_way(tmp_path: Path) -> None:
    bomb = packed(("zeros.wav", bytes(50 << 20)))
    assert len(bomb) < 100_000
    bounds = Bounds(10, 1 << 30, 5 << 20, 0)
    with pytest.raises(TooBig):
        unpack(tmp_path / "in", upload(tmp_path / "in", ("x.zip", bomb)), bounds)
    written = sum(p.stat().st_size for p in (tmp_path / "in" / "unpacked").iterdir())
    assert written <= 5 << 20


GOOD = packed(("a.wav", b"12345" * 100), ("乙.wav", b"1"))


@given(at=st.integers(0, len(GOOD) - 1), value=st.integers(0, 255))
def test_no_damage_is_a_surprise(tmp_path_factory, at: int, value: int) -> None:
    directory = tmp_path_factory.mktemp("damaged")
    content = bytearray(GOOD)
    content[at] = value
    files = upload(directory / "in", ("x.zip", bytes(content)))
    try:
        names = unpack(directory / "in", files, BOUNDS)
    except SeacodError:
        return
    assert sorted(p.name for p in (directory / "in").iterdir()) == [
        f"{number:04}" for number in range(1, len(names) + 1)
    ]
