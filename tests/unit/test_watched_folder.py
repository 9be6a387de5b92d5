"""What is complete in a watched folder, what an error means for a recording, and that nothing is
heard twice: computed, without a service."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from supervised import PATIENCE_SECONDS, wait_until

from seacod.cli import watch as command
from seacod.client import BrokenOff, Busy, NoSeacod, Refused, Unreachable, calls
from seacod.errors import BadAudio, Conflict, SeacodError
from seacod.formats import registry
from seacod.formats.base import DEFAULT_CHOICES
from seacod.inbox import verdict
from seacod.inbox.folder import Arrivals, Version, open_for_writing, opened, recordings, version_of
from seacod.inbox.ledger import Ledger
from seacod.inbox.texts import REASON_ENDING, Texts
from seacod.inbox.verdict import Again, SetAside
from seacod.inbox.watch import FolderWatch
from seacod.transcript import Transcript

TEXT = Transcript("今天", (), 1.0, 0.1, 0.0, None, "stand-in", "cpu")


def version(path: Path) -> Version:
    found = version_of(path)
    assert found is not None
    return found


def put(path: Path, content: bytes = b"sound") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_recordings_of_sub_folders_are_found_and_nothing_else(tmp_path: Path) -> None:
    for name in ("a.WAV", "deep/b.mp3", "failed/c.wav", ".hidden/d.wav", ".e.wav", "f.txt",
                 "g.wav.part"):  # fmt: skip
        put(tmp_path / name)
    (tmp_path / "link.wav").symlink_to("/etc/passwd")
    (tmp_path / "directory.wav").mkdir()
    found = recordings(tmp_path, {tmp_path / "failed"})
    assert sorted(map(str, found)) == ["a.WAV", "deep/b.mp3"]


def test_what_takes_the_name_of_a_recording_is_not_read(tmp_path: Path) -> None:
    """Whoever may write to the folder could have what only the watcher may read."""
    secret, path = put(tmp_path / "secret.wav"), put(tmp_path / "in/a.wav")
    version = recordings(tmp_path / "in")[Path("a.wav")]
    file = opened(path, version)
    assert file is not None
    with file:
        assert file.read() == b"sound"
    path.unlink()
    path.symlink_to(secret)
    with pytest.raises(OSError, match="symbolic"):
        opened(path, version)
    path.unlink()
    # A directory that is a link by now, and a hard link.
    (tmp_path / "in").rmdir()
    (tmp_path / "in").symlink_to(tmp_path)
    os.link(secret, path)
    assert opened(path, version) is None


def test_a_file_is_complete_when_it_has_not_changed_for_a_while(tmp_path: Path) -> None:
    clock = Clock()
    arrivals = Arrivals(5.0, clock)
    path = put(tmp_path / "a.wav")

    def look(seconds: float) -> list[str]:
        clock.now += seconds
        return [str(one) for one in arrivals.complete(recordings(tmp_path))]

    assert look(0) == []
    assert look(4) == []
    path.write_bytes(b"more sound")
    assert look(2) == []
    assert look(4) == []
    assert look(2) == ["a.wav"]
    # An empty one may be about to be filled.
    put(tmp_path / "empty.wav", b"")
    assert look(0) == ["a.wav"]
    assert look(30) == ["a.wav"]
    assert look(31) == ["a.wav", "empty.wav"]
    path.unlink()
    assert look(1) == ["empty.wav"]
    # Renamed in, it is looked at for as long as any other.
    put(tmp_path / "b.part").rename(tmp_path / "b.wav")
    assert look(1) == ["empty.wav"]
    assert look(6) == ["empty.wav", "b.wav"]


def test_what_somebody_writes_to_is_not_complete(tmp_path: Path) -> None:
    path = put(tmp_path / "a.wav")
    clock = Clock()
    arrivals = Arrivals(0.0, clock)
    with path.open("ab"):
        assert arrivals.complete(recordings(tmp_path)) == []
    with path.open("rb"):
        assert arrivals.complete(recordings(tmp_path)) == [Path("a.wav")]
    with path.open("r+b"):
        one = version(path)
        assert open_for_writing({(one.device, one.inode)}) == {(one.device, one.inode)}


@pytest.mark.parametrize(
    ("error", "tries", "expected"),
    [
        (Busy("full", "full", 503, "queue_full", 7), 9, Again(7.0, True)),
        (Refused("quota", "quota", 429, "quota_used", 60), 9, Again(60.0, True)),
        (Unreachable("http://x", ("refused", "拒绝")), 99, Again(5.0, True)),
        (NoSeacod("?", "?"), 9, Again(60.0, True)),
        (Refused("key", "key", 401), 9, Again(60.0, True)),
        (BrokenOff(("cut", "断开")), 1, Again(5.0, True)),
        (BrokenOff(("cut", "断开")), 6, SetAside()),
        (Refused("broke", "broke", 500), 1, Again(5.0, False)),
        (Refused("broke", "broke", 500), 3, SetAside()),
        (Refused("late", "late", 504, "deadline_exceeded"), 2, Again(10.0, False)),
        (Refused("answered 502: <html>", "answered 502: <html>", 502), 99, Again(5.0, True)),
        (Refused("answered 504: <html>", "answered 504: <html>", 504), 99, Again(5.0, True)),
        (Refused("full", "full", 507, "storage_full"), 99, Again(60.0, True)),
        (Refused("much", "much", 507, "quota_exceeded"), 99, Again(60.0, True)),
        (Refused("big", "big", 507, "out_of_memory"), 3, SetAside()),
        (Refused("no speakers", "no speakers", 501), 1, SetAside()),
        (Refused("no sound", "no sound", 415, "bad_audio"), 1, SetAside()),
        (Refused("poison", "poison", 422, "poison"), 1, SetAside()),
        (Refused("too long", "too long", 413), 1, SetAside()),
        (Refused("empty", "empty", 400), 1, SetAside()),
    ],
)
def test_an_error_means_again_or_aside(
    error: SeacodError, tries: int, expected: Again | SetAside
) -> None:
    assert verdict.after(error, tries) == expected


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    one = Ledger(tmp_path)
    yield one
    one.close()


def texts(folder: Path, *names: str) -> Texts:
    formats = [one for one in registry.all_formats() if one.name in (names or ("text",))]
    return Texts(folder, folder, folder / "failed", formats, DEFAULT_CHOICES)


def test_what_was_heard_is_known_after_a_restart_and_what_changed_is_not(
    tmp_path: Path, ledger: Ledger
) -> None:
    path = put(tmp_path / "deep/a.wav")
    one = version(path)
    written = texts(tmp_path, "text", "srt").write(ledger, Path("deep/a.wav"), one, TEXT)
    assert sorted(target.name for target in written) == ["a.srt", "a.txt"]
    assert (tmp_path / "deep/a.txt").read_text() == "今天\n"
    ledger.close()
    again = Ledger(tmp_path)
    assert again.over() == {"deep/a.wav": (one.size_bytes, one.mtime_ns)}
    again.close()


def test_texts_never_take_the_place_of_somebody_elses(tmp_path: Path, ledger: Ledger) -> None:
    (tmp_path / "a.txt").write_text("notes of mine")
    names = []
    for name in ("a.wav", "a.mp3", "a.wav.mp3"):
        path = put(tmp_path / name)
        (target,) = texts(tmp_path).write(ledger, Path(name), version(path), TEXT)
        names.append(target.name)
    assert names == ["a.wav.txt", "a.mp3.txt", "a.wav.mp3.txt"]
    assert (tmp_path / "a.txt").read_text() == "notes of mine"
    # The same recording, written over, keeps its names.
    path = put(tmp_path / "a.wav", b"other sound")
    (target,) = texts(tmp_path).write(ledger, Path("a.wav"), version(path), TEXT)
    assert target.name == "a.wav.txt"


def test_one_that_was_killed_while_writing_writes_the_same_again(
    tmp_path: Path, ledger: Ledger
) -> None:
    one = version(put(tmp_path / "a.wav"))
    assert ledger.begin(Path("a.wav"), one, ["a", "a.wav"], lambda base: True) == "a"
    (tmp_path / "a.txt").write_text("half")
    assert ledger.over() == {}
    (target,) = texts(tmp_path).write(ledger, Path("a.wav"), one, TEXT)
    assert (target.name, target.read_text()) == ("a.txt", "今天\n")


def test_what_cannot_be_heard_is_set_aside_with_the_reason(tmp_path: Path, ledger: Ledger) -> None:
    error = BadAudio("no sound in it", "没有声音")
    where = texts(tmp_path)
    for number in range(2):
        path = put(tmp_path / "deep/a.wav", b"x" * (number + 1))
        reason = where.set_aside(ledger, Path("deep/a.wav"), version(path), error)
        assert reason is not None
        assert not path.exists()
        assert reason.read_text().startswith("no sound in it\n没有声音\n\ndeep/a.wav\n")
        assert reason.with_name(reason.name.removesuffix(REASON_ENDING)).read_bytes()
    there = {str(one.relative_to(tmp_path)) for one in (tmp_path / "failed").rglob("*.wav")}
    assert there == {"failed/deep/a.wav", "failed/deep/a.2.wav"}
    # Laid back, it is tried again.
    assert ledger.over() == {}


def test_what_changed_meanwhile_is_not_set_aside(tmp_path: Path, ledger: Ledger) -> None:
    path = put(tmp_path / "a.wav")
    one = version(path)
    path.write_bytes(b"another sound")
    error = BadAudio("no sound in it", "没有声音")
    assert texts(tmp_path).set_aside(ledger, Path("a.wav"), one, error) is None
    assert path.exists()
    assert not (tmp_path / "failed").exists()


def test_a_name_that_is_not_utf_8_is_one_like_others(tmp_path: Path, ledger: Ledger) -> None:
    name = Path(os.fsdecode("会议.wav".encode("gbk")))
    path = put(tmp_path / name)
    one = version(path)
    (target,) = texts(tmp_path).write(ledger, name, one, TEXT)
    assert (target.name, target.read_text()) == (f"{name.stem}.txt", "今天\n")
    assert ledger.over() == {str(name): (one.size_bytes, one.mtime_ns)}
    (again,) = texts(tmp_path).write(ledger, name, one, TEXT)
    assert again == target
    reason = texts(tmp_path).set_aside(ledger, name, one, BadAudio(f"{name}: no sound", "没有声音"))
    assert reason is not None
    assert reason.read_text().startswith("????.wav: no sound\n没有声音\n\n????.wav\n")
    call = calls.transcription(tmp_path / "failed" / name, {}, None)
    with contextlib.ExitStack() as stack:
        ((_, (shown, _)),) = call.form(stack)["files"]
    assert shown.encode().endswith(b".wav")


def test_the_troubles_of_files_that_are_gone_are_forgotten(tmp_path: Path, ledger: Ledger) -> None:
    class Away:
        async def transcribe(self, *_: object, **__: object) -> None:
            raise Refused("broke", "broke", 500)

    async def act() -> None:
        stopped = asyncio.Event()
        watch = FolderWatch(
            cast(Any, Away()), texts(tmp_path), ledger, {}, 1, 0.05, 0.0, lambda *_: None
        )
        task = asyncio.ensure_future(watch.run(stopped))
        path = put(tmp_path / "a.wav")
        await asyncio.to_thread(wait_until, lambda: bool(watch._troubles), "it was tried")
        path.unlink()
        await asyncio.to_thread(wait_until, lambda: not watch._troubles, "it is forgotten")
        stopped.set()
        await task

    asyncio.run(act())


def test_a_folder_is_watched_by_one(tmp_path: Path, ledger: Ledger) -> None:
    with pytest.raises(Conflict, match="another seacod watch"):
        Ledger(tmp_path)
    ledger.give_up(Path("gone.wav"), Version(1, 2, 3, 4))
    ledger.forget(lambda path: False)
    assert set(ledger.over()) == {"gone.wav"}


def test_a_second_signal_gives_up_what_runs() -> None:
    class Slow:
        texts = SimpleNamespace(folder="in")

        async def run(self, stopped: asyncio.Event) -> None:
            os.kill(os.getpid(), signal.SIGTERM)
            await stopped.wait()
            os.kill(os.getpid(), signal.SIGTERM)
            await asyncio.Event().wait()

    ends = asyncio.wait_for(command._until_told(cast(Any, Slow())), PATIENCE_SECONDS)
    assert asyncio.run(ends) == 1
