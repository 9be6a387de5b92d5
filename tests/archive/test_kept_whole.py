"""Results of an archive are there whole, and before anything says so; without Ray."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from seacod.archive.ledger import MANIFEST, ArchiveLedger, LedgerEntry
from seacod.archive.progress import ArchiveProgress, summary
from seacod.errors import CannotWrite


def entry(state: str = "done") -> LedgerEntry:
    return LedgerEntry("a.wav", "abc", state, "a.txt")


@pytest.fixture
def ledger(tmp_path: Path) -> ArchiveLedger:
    return ArchiveLedger(str(tmp_path))


@pytest.mark.parametrize("state", ["failed", "poison"])
def test_what_has_failed_is_tried_again_though_an_old_text_lies_there(
    tmp_path: Path, ledger: ArchiveLedger, state: str
) -> None:
    (tmp_path / "a.txt").write_text("of another day")
    ledger.note(entry(state))
    assert not ledger.is_done("a.wav", "abc", "a.txt")
    ledger.done(entry(), b"text")
    assert ledger.is_done("a.wav", "abc", "a.txt")
    assert not ledger.is_done("a.wav", "other", "a.txt")
    (tmp_path / "a.txt").unlink()
    assert not ledger.is_done("a.wav", "abc", "a.txt")


def test_text_and_line_are_on_the_disk_the_text_first(
    tmp_path: Path, ledger: ArchiveLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[str] = []
    real = os.fsync

    def fsync(descriptor: int) -> None:
        synced.append(Path(os.readlink(f"/proc/self/fd/{descriptor}")).name)
        real(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    ledger.done(entry(), b"text")
    assert synced == [".a.txt.part", MANIFEST]


def test_a_full_disk_leaves_the_text_before_and_is_said(
    tmp_path: Path, ledger: ArchiveLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger.done(entry(), b"the first text")

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(CannotWrite, match=r"a\.txt: cannot be written: No space left"):
        ledger.done(entry(), b"another")
    assert (tmp_path / "a.txt").read_bytes() == b"the first text"


def test_deaths_of_engines_are_counted_and_time_begins_with_the_first_engine() -> None:
    now = 1000.0
    progress = ArchiveProgress(2, 10, clock=lambda: now)
    assert progress.elapsed_seconds == 0.0
    progress.joined("one")
    now += 10
    progress.left()
    progress.over("skipped", 5)
    progress.over("done", 5, node="one", audio_seconds=30.0)
    told = summary(progress)
    assert (told["engine_deaths"], told["seconds"], told["audio_seconds"]) == (1, 10.0, 30.0)
    assert told["files"] == {"skipped": 1, "done": 1}
