"""The sweep of uploads: what is old goes, what is needed stays, and nothing else is touched."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import pytest

from seacod.supervisor.watch.sweeper import make_room, sweep
from seacod.system.files.file_in_use import held

HOUR = 3600.0


@pytest.fixture
def top(tmp_path: Path) -> Path:
    directory = tmp_path / "uploads"
    directory.mkdir()
    return directory


def old(path: Path, age_seconds: float = 2 * HOUR, size: int = 10) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x" * size)
    age(path, age_seconds)
    return path


def age(path: Path, seconds: float) -> None:
    moment = time.time() - seconds
    os.utime(path, (moment, moment), follow_symlinks=False)


def test_old_ones_go_young_ones_stay(top: Path) -> None:
    gone, kept = old(top / "page" / "abc" / "old.wav"), old(top / "new.wav", 60)
    swept = sweep(top, HOUR)
    assert not gone.exists()
    assert kept.exists()
    assert (swept.removed_files, swept.removed_bytes, swept.kept) == (1, 10, 1)


def test_directories_that_are_empty_then_go_too(top: Path) -> None:
    old(top / "page" / "abc" / "old.wav")
    for directory in (top / "page" / "abc", top / "page"):
        age(directory, 2 * HOUR)
    sweep(top, HOUR)
    age(top / "page", 2 * HOUR) if (top / "page").exists() else None
    sweep(top, HOUR)
    assert not (top / "page" / "abc").exists()
    assert top.exists()


def test_what_a_request_needs_stays_however_old(top: Path) -> None:
    file = old(top / "waiting.wav")
    with held(file):
        age(file, 5 * HOUR)
        swept = sweep(top, HOUR)
        assert file.exists()
        assert swept.in_use == 1
        assert make_room(top, 1 << 40).removed_files == 0
    age(file, 5 * HOUR)
    assert sweep(top, HOUR).removed_files == 1


def test_to_hold_is_to_touch(top: Path) -> None:
    file = old(top / "again.wav")
    with held(file):
        pass
    assert sweep(top, HOUR).removed_files == 0
    with pytest.raises(FileNotFoundError), held(top / "gone.wav"):
        pass


def test_links_are_never_followed(top: Path, tmp_path: Path) -> None:
    secret = old(tmp_path / "precious" / "file.wav")
    age(secret.parent, 2 * HOUR)
    (top / "link.wav").symlink_to(secret)
    (top / "directory").symlink_to(secret.parent)
    for link in (top / "link.wav", top / "directory"):
        age(link, 2 * HOUR)
    sweep(top, -1)
    make_room(top, 1 << 40)
    assert secret.exists()
    with pytest.raises(OSError, match="symbolic"):
        with held(top / "link2.wav") if (top / "link.wav").exists() else held(_link(top, secret)):
            pass


def _link(top: Path, to: Path) -> Path:
    link = top / "another.wav"
    link.symlink_to(to)
    return link


def test_pipes_and_deep_trees_stop_nobody(top: Path) -> None:
    os.mkfifo(top / "pipe")
    deep = top
    for _ in range(30):
        deep = deep / "d"
        deep.mkdir()
    old(deep / "file.wav")
    sweep(top, HOUR)
    make_room(top, 1 << 40)


def test_a_top_that_is_a_link_or_gone_is_not_swept(top: Path, tmp_path: Path) -> None:
    file = old(top / "file.wav")
    link = tmp_path / "link"
    link.symlink_to(top)
    assert sweep(link, HOUR).removed_files == 0
    assert sweep(tmp_path / "none", HOUR).removed_files == 0
    assert file.exists()


def test_room_is_made_oldest_first_and_no_more_than_needed(top: Path) -> None:
    files = [old(top / f"{n}.wav", (10 - n) * 600, size=1000) for n in range(5)]
    swept = make_room(top, 2500)
    assert swept.removed_files == 3
    assert [file.exists() for file in files] == [False, False, False, True, True]
    # One that is still coming in is not taken.
    fresh = old(top / "fresh.wav", 5)
    make_room(top, 1 << 40)
    assert fresh.exists()


def test_somebody_who_swaps_directories_for_links_all_the_time_gains_nothing(
    top: Path, tmp_path: Path
) -> None:
    """The race that openat exists for: between looking at a name and using it, it becomes another
    one's."""
    precious = tmp_path / "precious"
    precious.mkdir()
    files = [old(precious / f"{n}.wav") for n in range(20)]
    over = threading.Event()
    aside = tmp_path / "aside"

    def swap() -> None:
        while not over.is_set():
            directory = top / "d"
            try:
                directory.mkdir()
                for n in range(3):
                    old(directory / f"{n}.wav")
                directory.rename(aside)
                directory.symlink_to(precious)
                directory.unlink()
                for left in aside.iterdir():
                    left.unlink()
                aside.rmdir()
            except OSError:
                for left in aside.glob("*"):
                    left.unlink(missing_ok=True)
                if aside.exists():
                    aside.rmdir()

    swapping = threading.Thread(target=swap, name="swap")
    swapping.start()
    deadline = time.monotonic() + 2
    rounds = removed = 0
    while time.monotonic() < deadline or not removed:
        removed += sweep(top, HOUR).removed_files
        rounds += 1
        if time.monotonic() > deadline + 30:
            break
    over.set()
    swapping.join()
    assert rounds > 10
    assert removed > 0, "the race was never on"
    assert all(file.exists() for file in files)


def test_somebody_who_takes_files_while_they_are_swept_loses_none(top: Path) -> None:
    """A request that gets its lock has the file; one that comes too late is told so."""
    over = threading.Event()

    def sweeping() -> None:
        while not over.is_set():
            sweep(top, HOUR)

    thread = threading.Thread(target=sweeping, name="sweeping")
    thread.start()
    got = late = 0
    for n in range(300):
        file = old(top / f"{n}.wav")
        try:
            with held(file):
                got += 1
                time.sleep(0.001)
                assert file.exists()
                assert file.read_bytes() == b"x" * 10
        except FileNotFoundError:
            late += 1
    over.set()
    thread.join()
    assert got + late == 300
