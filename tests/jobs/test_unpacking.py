"""Archives in a batch: what is in them, and what is wrong with them."""

from __future__ import annotations

import io
import struct
import tracemalloc
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
        (good[:-30], BadRequest, "cut off"),
        (packed(), BadRequest, "no file"),
        (bytes(broken), BadRequest, "cannot be read"),
        (bytes(method), BadRequest, "other than deflate"),
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


def bomb(method: int, size: int = 256 << 20) -> bytes:
    """An archive of some bytes with so many zeros in it."""
    target = io.BytesIO()
    with (
        zipfile.ZipFile(target, "w", method) as archive,
        archive.open("a.wav", "w", force_zip64=True) as entry,
    ):
        for _ in range(size >> 20):
            entry.write(bytes(1 << 20))
    return target.getvalue()


WIDE = Bounds(max_files=10, max_file_bytes=1 << 40, max_unpacked_bytes=1 << 40, free_refuse_bytes=0)


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_what_is_decompressed_without_bound_is_not_decompressed(
    tmp_path: Path, method: int
) -> None:
    files = upload(tmp_path / "in", ("b.zip", bomb(method, 32 << 20)))
    tracemalloc.start()
    with pytest.raises(BadRequest, match="other than deflate"):
        unpack(tmp_path / "in", files, WIDE)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8 << 20


def test_no_archive_unpacks_to_hundreds_of_times_its_size(tmp_path: Path) -> None:
    files = upload(tmp_path / "in", ("b.zip", bomb(zipfile.ZIP_DEFLATED)))
    with pytest.raises(TooBig, match="200 times"):
        unpack(tmp_path / "in", files, WIDE)
    written = sum(path.stat().st_size for path in tmp_path.rglob("*") if path.is_file())
    assert written < 128 << 20


def test_entries_are_counted_before_the_directory_is_taken_apart(tmp_path: Path) -> None:
    one = zipfile.ZipInfo("a.wav")
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        archive.writestr(one, b"")
    body = target.getvalue()
    entry = body[body.index(b"PK\x01\x02") : body.index(b"PK\x05\x06")]
    local = body[: body.index(b"PK\x01\x02")]
    for count, said in ((20_000, 20_000), (400_000, 1)):
        # The end says how many there are, and may lie; zipfile goes by the size.
        directory = entry * count
        end = struct.pack(
            "<4s4H2LH", b"PK\x05\x06", 0, 0, said, said, len(directory), len(local), 0
        )
        files = upload(tmp_path / f"in{count}", ("many.zip", local + directory + end))
        tracemalloc.start()
        with pytest.raises(BadRequest, match="entries"):
            unpack(tmp_path / f"in{count}", files, WIDE)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 8 << 20


def test_entries_made_of_the_same_bytes_are_refused(tmp_path: Path) -> None:
    body = packed(("a.wav", b"0" * 1000), ("b.wav", b"0" * 1000))
    first = body.index(b"PK\x01\x02")
    second = body.index(b"PK\x01\x02", first + 1)
    lying = bytearray(body)
    lying[second + 42 : second + 46] = struct.pack("<L", 0)
    lying[second + 46 : second + 51] = b"a.wav"
    files = upload(tmp_path / "in", ("x.zip", bytes(lying)))
    with pytest.raises(BadRequest, match="overlap"):
        unpack(tmp_path / "in", files, BOUNDS)


def test_as_many_files_as_may_come_may_come_in_one_archive(tmp_path: Path) -> None:
    names = [f"{'文件夹' * 15}/{number}-{'会议' * 20}.wav" for number in range(1000)]
    litter = [f"__MACOSX/{name}" for name in names]
    body = packed(*((name, b"1") for name in names + litter))
    bounds = Bounds(1000, 1000, 3000, 0)
    assert len(unpack(tmp_path / "in", upload(tmp_path / "in", ("x.zip", body)), bounds)) == 1000
