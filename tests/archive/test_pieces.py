"""The parts of an archive that need no Ray: what there is to do, what is done, the time left."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from seacod.archive.actor import TranscriptionActor
from seacod.archive.inputs import items
from seacod.archive.ledger import MANIFEST, ArchiveLedger, LedgerEntry
from seacod.archive.pool import ArchiveOrder, Pool
from seacod.archive.progress import ArchiveProgress, registry, summary
from seacod.archive.received import ReceivedFiles
from seacod.archive.sending import PIECE_BYTES, WHOLE_BYTES, OutgoingRecordings
from seacod.archive.slots import ActorState
from seacod.asr.choice import SoundChoice
from seacod.config.schema import Settings
from seacod.errors import BadRequest, CannotRead, ConfigError
from seacod.formats.srt import FORMAT as SRT
from seacod.formats.text import FORMAT as TEXT
from seacod.system.files.digest import sha256_of
from seacod.system.net.remote_files import access_of_engines


def recording(path: Path, size: int = 1) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x" * size)
    return path


def test_a_directory_the_biggest_first_and_only_recordings(tmp_path: Path) -> None:
    recording(tmp_path / "a.wav", 1)
    recording(tmp_path / "deep/b.mp3", 3)
    recording(tmp_path / "notes.docx", 9)
    found = items([str(tmp_path)], TEXT)
    assert [one.name for one in found] == ["deep/b.mp3", "a.wav"]
    assert found[0].output(SRT) == "deep/b.srt"


def test_a_list_has_paths_beside_it_words_and_addresses(tmp_path: Path) -> None:
    recording(tmp_path / "sounds/a.wav")
    rows = [
        {"path": "sounds/a.wav", "hotwords": "魔搭"},
        {"path": "s3://bucket/day/b.wav"},
        {"path": str(recording(tmp_path / "c.wav"))},
    ]
    listed = tmp_path / "list.jsonl"
    listed.write_text("\n".join(map(json.dumps, rows)) + "\n\n")
    found = {one.name: one for one in items([str(listed)], TEXT)}
    assert found["sounds/a.wav"].hotwords == "魔搭"
    assert found["sounds/a.wav"].source == str(tmp_path / "sounds/a.wav")
    assert found["bucket/day/b.wav"].is_remote
    assert found["bucket/day/b.wav"].hotwords is None
    # A list of elsewhere writes nothing outside of the output directory.
    assert not any(name.startswith(("/", "..")) for name in found)


def test_a_list_writes_no_text_outside_of_the_output_directory(tmp_path: Path) -> None:
    recording(tmp_path / "elsewhere/a.wav")
    listed = tmp_path / "lists/list.jsonl"
    listed.parent.mkdir()
    rows = [{"path": "../elsewhere/a.wav"}, {"path": "s3://bucket/../../b.wav"}]
    listed.write_text("\n".join(map(json.dumps, rows)))
    found = items([str(listed)], TEXT)
    assert {one.output(TEXT) for one in found} == {"elsewhere/a.txt", "bucket/b.txt"}


def test_a_table_as_excel_writes_it(tmp_path: Path) -> None:
    recording(tmp_path / "a.wav")
    table = tmp_path / "list.csv"
    table.write_text("﻿path,hotwords\na.wav,一 二\n", "utf-8")
    (one,) = items([str(table)], TEXT)
    assert (one.name, one.hotwords) == ("a.wav", "一 二")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"file": "a.wav"}', "line 1: no path is given"),
        ("[1]", "line 1: not a JSON object"),
        ('{"path": "none.wav"}', "there is no such file"),
        ("", "the list names no recording"),
    ],
)
def test_a_list_that_is_wrong_is_named_with_its_line(tmp_path: Path, text: str, said: str) -> None:
    listed = tmp_path / "list.jsonl"
    listed.write_text(text)
    with pytest.raises(BadRequest, match=said):
        items([str(listed)], TEXT)


def test_two_that_would_be_written_to_one_file(tmp_path: Path) -> None:
    recording(tmp_path / "a.wav")
    recording(tmp_path / "a.mp3")
    with pytest.raises(BadRequest, match=r"would both be written to a\.txt"):
        items([str(tmp_path)], TEXT)


@pytest.mark.parametrize("scheme", ["", "file://"])
def test_what_is_done_is_known_the_next_time(tmp_path: Path, scheme: str) -> None:
    place = f"{scheme}{tmp_path}/out"
    ledger = ArchiveLedger(place)
    ledger.done(LedgerEntry("a.wav", "1", "done", "a.txt", warnings=("lost",)), "你好".encode())
    ledger.note(LedgerEntry("b.wav", "2", "failed", error="no sound"))
    ledger.note(LedgerEntry("b.wav", "2", "failed", error="no sound, again"))
    ledger.close()
    lines = (tmp_path / "out" / MANIFEST).read_text().splitlines()
    assert len(lines) == 2
    assert [json.loads(line)["warnings"] for line in lines] == [["lost"], []]
    again = ArchiveLedger(place)
    assert again.is_done("a.wav", "1", "a.txt")
    assert not again.is_done("a.wav", "other content", "a.txt")
    assert not again.is_done("a.wav", "1", "a.srt")
    assert not again.is_done("b.wav", "2", "b.txt")
    (tmp_path / "out/a.txt").unlink()
    assert not again.is_done("a.wav", "1", "a.txt")


def test_a_manifest_that_was_cut_off_costs_its_last_line(tmp_path: Path) -> None:
    ledger = ArchiveLedger(str(tmp_path))
    ledger.done(LedgerEntry("a.wav", "1", "done", "a.txt"), b"text")
    with (tmp_path / MANIFEST).open("a") as file:
        file.write('{"name": "b.wav", "sha2')
    again = ArchiveLedger(str(tmp_path))
    assert list(again.entries) == ["a.wav"]
    # What comes next does not run into it, even if this one is cut off, too: within a character.
    again.done(LedgerEntry("c.wav", "3", "done", "c.txt"), b"text")
    with (tmp_path / MANIFEST).open("ab") as file:
        file.write('{"name": "会'.encode()[:-1])
    assert list(ArchiveLedger(str(tmp_path)).entries) == ["a.wav", "c.wav"]


# As a zip from a Chinese Windows has it; a line end of Unicode; what an address would take apart.
ODD_NAMES = (os.fsdecode(b"\xbb\xe1\xd2\xe9.wav"), "a\u2028b.wav", "会议 1#?%.wav")


@pytest.mark.parametrize("scheme", ["", "file://"])
@pytest.mark.parametrize("name", ODD_NAMES)
def test_a_name_of_any_letters_is_written_down_and_known_again(
    tmp_path: Path, scheme: str, name: str
) -> None:
    place, output = f"{scheme}{tmp_path}/out", name.replace(".wav", ".txt")
    ledger = ArchiveLedger(place)
    ledger.done(LedgerEntry(name, "1", "done", output), "你好".encode())
    ledger.note(LedgerEntry(f"{name}2", "2", "failed", error=f"{name}: no sound"))
    ledger.close()
    assert "�" not in (tmp_path / "out" / MANIFEST).read_text("utf-8")
    again = ArchiveLedger(place)
    assert list(again.entries) == [name, f"{name}2"]
    assert again.is_done(name, "1", output)


def test_a_recording_of_this_machine_is_read_by_its_path(tmp_path: Path) -> None:
    """As `--ray local` has it: the engine opens what the command found."""
    for name in ODD_NAMES:
        recording(tmp_path / "录音" / name, 3)
    order = ArchiveOrder(TEXT, "", SoundChoice(), is_again=False, is_here=True)
    found = items([str(tmp_path)], TEXT)
    ledger, progress = ArchiveLedger(str(tmp_path / "out")), ArchiveProgress(len(found), 9)
    pool = Pool(None, object, 1, found, order, ledger, progress)
    engine = TranscriptionActor(Settings().model_dump_json(), "text")
    engine._files = ReceivedFiles(tmp_path)
    heard = []

    def hear(name: str, sound: Any, source: str, *_: Any) -> object:
        heard.append(engine._bring(sound, source).path.read_bytes())
        return object()

    slot = pool._slots[0]
    slot.actor = SimpleNamespace(hear=SimpleNamespace(remote=hear))
    for task in tuple(pool._waiting):
        pool._hand(slot, task)
    assert heard == [b"xxx"] * len(ODD_NAMES)
    with pytest.raises(CannotRead, match="cannot be read: No such file"):
        engine._bring(None, str(tmp_path / "gone.wav"))


def test_the_time_left_goes_by_bytes() -> None:
    now = [100.0]
    progress = ArchiveProgress(10, 1000, clock=lambda: now[0])
    assert progress.seconds_left() is None
    progress.joined("one")
    now[0] += 10
    progress.over("skipped", 500)
    progress.over("done", 100, node="one", audio_seconds=3600)
    # 100 of the bytes took ten seconds, 400 are left.
    assert progress.seconds_left() == pytest.approx(40)
    assert progress.hours_an_hour == pytest.approx(360)
    assert "2 of 10 files, 1.00 h of audio, 360 audio-hours an hour, 0:40 min left" in (
        progress.sentence()
    )
    progress.left()
    assert summary(progress)["nodes"]["one"]["files"] == 1
    families = {family.name: family for family in registry(progress).collect()}
    (speed,) = families["seacod_bulk_audio_hours_per_hour"].samples
    assert (speed.labels, speed.value) == ({"node": "one"}, pytest.approx(360))


def test_a_few_recordings_need_no_engine_on_each_core(tmp_path: Path) -> None:
    made = []

    def make() -> Any:
        made.append(SimpleNamespace(start=SimpleNamespace(remote=object)))
        return made[-1]

    for name in ("a", "b", "c"):
        recording(tmp_path / f"{name}.wav")
    found = items([str(tmp_path)], TEXT)
    order = ArchiveOrder(TEXT, "", SoundChoice(), is_again=False, is_here=True)
    ledger, progress = ArchiveLedger(str(tmp_path / "out")), ArchiveProgress(len(found), 3)
    pool = Pool(None, make, 64, found, order, ledger, progress)
    for _ in range(2):
        for slot in pool._slots:
            pool._tend(slot)
    assert len(made) == 3


@pytest.mark.parametrize("is_again", [False, True])
def test_what_is_done_is_heard_again_only_where_that_is_asked_for(
    tmp_path: Path, *, is_again: bool
) -> None:
    sound = recording(tmp_path / "in/a.wav")
    ledger = ArchiveLedger(str(tmp_path / "out"))
    ledger.done(LedgerEntry("a.wav", sha256_of(sound), "done", "a.txt"), b"text")
    order = ArchiveOrder(TEXT, "", SoundChoice(), is_again=is_again, is_here=True)
    found = items([str(tmp_path / "in")], TEXT)
    pool = Pool(None, object, 1, found, order, ledger, ArchiveProgress(1, 1))
    pool._skip_what_is_done()
    assert len(pool._waiting) == is_again


def test_credentials_are_given_to_engines_that_need_them() -> None:
    access = {"AWS_SECRET_ACCESS_KEY": "secret"}
    here, there = "/srv/a.wav", "https://example.com/b.wav"
    assert access_of_engines(access, [here, there]) == {}
    assert access_of_engines(access, [here, "s3://bucket/c.wav"]) == access


def test_the_words_of_a_list_are_for_their_recording(tmp_path: Path) -> None:
    for name in "ab":
        recording(tmp_path / f"{name}.wav")
    listed = tmp_path / "list.jsonl"
    listed.write_text('{"path": "a.wav", "hotwords": "own"}\n{"path": "b.wav"}')
    order = ArchiveOrder(TEXT, "everybody's", SoundChoice(), is_again=False, is_here=True)
    found = items([str(listed)], TEXT)
    ledger, progress = ArchiveLedger(str(tmp_path / "out")), ArchiveProgress(len(found), 2)
    pool = Pool(None, object, 1, found, order, ledger, progress)
    told = {}

    def hear(name: str, sound: Any, source: str, words: str, *_: Any) -> object:
        told[name] = words
        return object()

    slot = pool._slots[0]
    slot.actor = SimpleNamespace(hear=SimpleNamespace(remote=hear))
    for task in tuple(pool._waiting):
        pool._hand(slot, task)
    assert told == {"a.wav": "own", "b.wav": "everybody's"}


class Engine:
    """Takes what it is given; the test says when it is done with it."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, Any]] = []
        self.hear = SimpleNamespace(remote=lambda name, sound, *_: self._called("hear", sound))
        self.receive = SimpleNamespace(
            remote=lambda number, piece: self._called("receive", (number, len(piece)))
        )
        self.forget = SimpleNamespace(remote=lambda number: self._called("forget", number))

    def _called(self, what: str, given: Any) -> object:
        self.calls.append((what, given))
        return object()


@pytest.fixture
def sending(tmp_path: Path) -> Iterator[tuple[Pool, Engine]]:
    """An engine of a cluster, and two recordings of 6 MiB and one short one for it."""
    recording(tmp_path / "a.wav", 6 << 20)
    recording(tmp_path / "b.wav", 6 << 20)
    recording(tmp_path / "c.wav", 10)
    order = ArchiveOrder(TEXT, "", SoundChoice(), is_again=False, is_here=False)
    found = items([str(tmp_path)], TEXT)
    ledger, progress = ArchiveLedger(str(tmp_path / "out")), ArchiveProgress(len(found), 2)
    pool = Pool(SimpleNamespace(nodes=list), object, 1, found, order, ledger, progress)
    slot, engine = pool._slots[0], Engine()
    slot.actor, slot.state = engine, ActorState.READY
    yield pool, engine
    for task in slot.running.values():
        if task.sending is not None:
            task.sending.end()


def test_a_long_recording_travels_in_pieces_and_no_more_at_once_than_may_be(
    sending: tuple[Pool, Engine],
) -> None:
    pool, engine = sending
    pool._outbox = OutgoingRecordings(limit=1)
    slot = pool._slots[0]
    pool._tend(slot)
    first = (1, WHOLE_BYTES + 1)
    # The others wait until this one is there.
    assert engine.calls == [("receive", first)]
    for _ in range(3):
        (ref,) = slot.running
        pool._answered(slot, ref, "")
    assert engine.calls == [
        ("receive", first), ("receive", (1, PIECE_BYTES)),
        ("receive", (1, (1 << 20) - 1)), ("hear", 1),
    ]  # fmt: skip
    pool._tend(slot)
    assert engine.calls[4:] == [("receive", (2, WHOLE_BYTES + 1))]


def test_a_recording_whose_engine_died_while_it_was_sent_is_sent_again_from_its_beginning(
    sending: tuple[Pool, Engine],
) -> None:
    pool, engine = sending
    slot = pool._slots[0]
    pool._tend(slot)
    assert engine.calls == [
        ("receive", (1, WHOLE_BYTES + 1)), ("receive", (2, WHOLE_BYTES + 1)), ("hear", b"x" * 10),
    ]  # fmt: skip
    # With its node: it is nobody's fault.
    pool._died(slot, "the node is gone")
    assert not pool._outbox._sent
    slot.actor, slot.state, engine.calls = engine, ActorState.READY, []
    pool._tend(slot)
    assert sorted(engine.calls, key=str)[1:] == [
        ("receive", (3, WHOLE_BYTES + 1)), ("receive", (4, WHOLE_BYTES + 1)),
    ]  # fmt: skip


def test_an_engine_that_cannot_keep_a_recording_costs_that_one(
    sending: tuple[Pool, Engine],
) -> None:
    pool, _ = sending
    slot = pool._slots[0]
    pool._tend(slot)
    pool._answered(slot, next(iter(slot.running)), "No space left on device")
    entry = pool._ledger.entries["a.wav"]
    assert entry.state == "failed"
    assert entry.error == "cannot be kept by its engine: No space left on device"
    assert len(slot.running) == 2


def test_an_engine_of_another_seacod_that_comes_later_ends_the_run(
    sending: tuple[Pool, Engine],
) -> None:
    pool, _ = sending
    slot = pool._slots[0]
    slot.starting = object()
    with pytest.raises(ConfigError, match=r"has seacod 0\.0\.9 on Python"):
        pool._answered(slot, slot.starting, {"host": "late", "node": "1", "seacod": "0.0.9"})
