"""What becomes of files: turns, suspects, poison, cancellation, expiry."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from seacod.asr.choice import SoundChoice
from seacod.config.results import ResultSettings
from seacod.errors import Conflict, NotFound, QuotaExceeded
from seacod.jobs.database import said
from seacod.jobs.model import FileState, JobFile
from seacod.jobs.opening import open_store
from seacod.jobs.results import safe_name
from seacod.jobs.store import JobStore


@pytest.fixture
def store(tmp_path: Path, address: str) -> Iterator[JobStore]:
    one = open_store(tmp_path / "jobs", address)
    yield one
    one.close()


def accepted(store: JobStore, job: str, files: int, client: str = "someone") -> None:
    store.blobs.incoming(job).mkdir(parents=True)
    for number in range(1, files + 1):
        (store.blobs.incoming(job) / f"{number:04}").write_text("sound")
    store.accept(job, client, "", [(f"{n}.wav", 5) for n in range(1, files + 1)])


def dead(store: JobStore, owner: str, running: int) -> list[JobFile]:
    """Files claimed by an owner that is gone."""
    store.own(owner)
    claimed = [store.claim(owner, count) for count in range(running)]
    store.release(owner)
    return [one.file for one in claimed if one is not None]


def states(store: JobStore, job: str) -> list[str]:
    return [file.state.value for file in store.get(job)[1]]


def test_jobs_take_turns(store: JobStore) -> None:
    accepted(store, "big", 10)
    accepted(store, "small", 2)
    store.own("1-a")
    order = [claimed.file.job for _ in range(4) if (claimed := store.claim("1-a", 0)) is not None]
    assert order == ["big", "small", "big", "small"]


def test_what_was_there_at_a_crash_runs_alone(store: JobStore) -> None:
    accepted(store, "job", 4)
    assert len(dead(store, "77-a", 2)) == 2
    assert store.recover([77]) == 2
    store.own("78-b")
    first = store.claim("78-b", 0)
    assert first is not None
    assert (first.file.number, first.file.crashes) == (1, 1)
    assert store.claim("78-b", 1) is None
    store.finish("78-b", first.file, FileState.DONE)
    # The other suspect is next, again alone; then the rest.
    assert store.claim("78-b", 1) is None
    second = store.claim("78-b", 0)
    assert second is not None
    assert second.file.number == 2
    store.finish("78-b", second.file, FileState.DONE)
    assert [store.claim("78-b", n) is not None for n in range(3)] == [True, True, False]


def test_a_second_crash_alone_is_poison_and_the_rest_goes_on(store: JobStore) -> None:
    accepted(store, "job", 3)
    dead(store, "1-a", 2)
    store.recover([1])
    dead(store, "2-b", 1)
    store.recover([1, 2])
    assert states(store, "job") == ["poison", "waiting", "waiting"]
    _, files = store.get("job")
    assert files[0].error_code == "poison"
    assert files[0].error is not None
    assert "2 times" in files[0].error
    assert (files[1].crashes, files[2].crashes) == (1, 0)


def test_kills_from_outside_blame_nobody(store: JobStore) -> None:
    accepted(store, "job", 1)
    for number in range(9):
        dead(store, f"{number}-a", 1)
        store.recover([])
    assert states(store, "job") == ["waiting"]
    dead(store, "10-a", 1)
    store.recover([])
    assert states(store, "job") == ["poison"]
    assert store.get("job")[0].finished is not None


def test_an_owner_learns_which_of_its_files_were_canceled_elsewhere(
    store: JobStore, tmp_path: Path, address: str
) -> None:
    accepted(store, "kept", 1)
    accepted(store, "canceled", 1)
    store.own("1-a")
    mine = [claimed.file for _ in range(2) if (claimed := store.claim("1-a", 0)) is not None]
    known = [(file.job, file.number) for file in mine]
    assert store.lost_of("1-a", known) == []
    other = open_store(tmp_path / "jobs", address)
    other.cancel("canceled")
    other.close()
    assert store.lost_of("1-a", known) == [("canceled", 1)]


def test_the_files_of_a_living_owner_are_left_alone(
    store: JobStore, tmp_path: Path, address: str
) -> None:
    accepted(store, "job", 2)
    other = open_store(tmp_path / "jobs", address)
    other.own("1-old")
    claimed = other.claim("1-old", 0)
    assert claimed is not None
    assert store.recover([2]) == 0
    other.put_back("1-old", claimed.file)
    assert states(store, "job") == ["waiting", "waiting"]
    other.close()


def test_a_result_that_comes_after_the_cancellation_counts_no_more(store: JobStore) -> None:
    accepted(store, "job", 2)
    store.own("1-a")
    claimed = store.claim("1-a", 0)
    assert claimed is not None
    assert [file.number for file in store.cancel("job")] == [1]
    assert not store.finish("1-a", claimed.file, FileState.DONE)
    assert states(store, "job") == ["canceled", "canceled"]
    assert not store.blobs.incoming("job").exists()
    with pytest.raises(Conflict):
        store.cancel("job")


def test_finished_jobs_expire_others_never(store: JobStore) -> None:
    accepted(store, "old", 1)
    accepted(store, "open", 1)
    store.own("1-a")
    claimed = store.claim("1-a", 0)
    assert claimed is not None
    store.finish("1-a", claimed.file, FileState.DONE)
    assert store.delete_expired(3600) == 0
    assert store.delete_expired(-1) == 1
    with pytest.raises(NotFound):
        store.get("old")
    assert not (store.blobs.directory / "old").exists()
    assert states(store, "open") == ["waiting"]


@pytest.mark.parametrize(
    ("given", "safe"),
    [
        ("会议.mp3", "会议"),
        ("../../etc/passwd", "passwd"),
        ("C:\\temp\\a b.wav", "a b"),
        (".hidden", "hidden"),
        ("...", "recording"),
        ("", "recording"),
        ("a\x00b\n.wav", "a_b_"),
    ],
)
def test_names_in_the_zip_are_no_paths(given: str, safe: str) -> None:
    assert safe_name(given) == safe


def test_a_damaged_database_is_set_aside_and_begun_anew(tmp_path: Path) -> None:
    directory = tmp_path / "jobs"
    directory.mkdir()
    (directory / "jobs.db").write_bytes(b"this is no database at all " * 100)
    store = open_store(directory)
    accepted(store, "job", 1)
    assert states(store, "job") == ["waiting"]
    assert [p.name for p in directory.glob("jobs.db.damaged-*")]
    store.close()


def test_an_empty_file_in_its_place_is_a_lost_database(tmp_path: Path) -> None:
    """What a full disk has left of a copy: its jobs are named, not forgotten."""
    directory = tmp_path / "jobs"
    store = open_store(directory)
    accepted(store, "job", 1)
    store.close()
    for file in directory.glob("jobs.db*"):
        file.unlink()
    (directory / "jobs.db").touch()
    store = open_store(directory)
    assert list(store.lost) == ["job"]
    store.close()


def test_an_error_without_words_is_named() -> None:
    assert said(TimeoutError()) == "TimeoutError"


def test_what_has_failed_gets_another_try(store: JobStore) -> None:
    accepted(store, "job", 3)
    store.own("1-a")
    files = [claimed.file for _ in range(3) if (claimed := store.claim("1-a", 0)) is not None]
    store.finish("1-a", files[0], FileState.DONE)
    store.finish("1-a", files[1], FileState.FAILED, error=("bad_audio", "no", "不"))
    store.finish("1-a", files[2], FileState.FAILED, error=("bad_audio", "no", "不"))
    assert not store.blobs.has(files[0])
    assert store.get("job")[0].finished is not None
    # Somebody made room by hand: what is not there cannot be tried.
    store.blobs.drop(files[2])
    assert store.retry("job") == 1
    assert states(store, "job") == ["done", "waiting", "failed"]
    job, after = store.get("job")
    assert job.finished is None
    assert after[1].error is None
    again = store.claim("1-a", 0)
    assert again is not None
    store.finish("1-a", again.file, FileState.DONE)
    with pytest.raises(Conflict):
        store.retry("job")
    with pytest.raises(NotFound):
        store.retry("none")


def test_poison_that_is_tried_again_runs_alone_and_once(store: JobStore) -> None:
    accepted(store, "job", 3)
    dead(store, "77-a", 1)
    store.recover([77])
    dead(store, "78-a", 1)
    store.recover([78])
    assert states(store, "job") == ["poison", "waiting", "waiting"]
    store.retry("job")
    store.own("79-a")
    claimed = store.claim("79-a", 0)
    assert claimed is not None
    assert claimed.file.number == 1
    assert store.claim("79-a", 1) is None
    store.release("79-a")
    store.recover([79])
    assert states(store, "job") == ["poison", "waiting", "waiting"]


def test_a_canceled_job_is_not_tried_again(store: JobStore) -> None:
    accepted(store, "job", 2)
    store.cancel("job")
    with pytest.raises(Conflict):
        store.retry("job")


def test_a_pid_that_was_blamed_and_lives_again_keeps_its_files(tmp_path: Path) -> None:
    store = open_store(tmp_path / "jobs")
    accepted(store, "job", 1)
    store.own("1-new")
    assert store.claim("1-new", 0) is not None
    assert store.recover([1]) == 0
    store.close()


def test_an_owner_that_is_gone_is_given_time_to_be_blamed(store: JobStore) -> None:
    accepted(store, "job", 1)
    dead(store, "1-a", 1)
    assert store.recover([], grace_seconds=60) == 0
    assert store.recover([1], grace_seconds=60) == 1
    assert store.get("job")[1][0].crashes == 1


def test_a_result_is_read_as_it_was_kept(store: JobStore) -> None:
    accepted(store, "job", 1)
    store.own("1-a")
    claimed = store.claim("1-a", 0)
    assert claimed is not None
    assert store.blobs.fetch(claimed.file).read_text() == "sound"
    store.blobs.keep(claimed.file, {"text": "你好"})
    store.blobs.keep(claimed.file, {"text": "你好，世界"})
    assert store.finish("1-a", claimed.file, FileState.DONE)
    assert store.blobs.read(claimed.file) == {"text": "你好，世界"}
    assert store.get("job")[0].finished is not None


def test_a_recording_without_a_byte_is_there_too(store: JobStore) -> None:
    """It is heard, and found to be empty; it is not lost."""
    incoming = store.blobs.incoming("job")
    incoming.mkdir(parents=True)
    (incoming / "0001").write_bytes(b"")
    store.accept("job", "me", "", [("a.wav", 0)])
    store.own("1-a")
    claimed = store.claim("1-a", 0)
    assert claimed is not None
    assert store.blobs.has(claimed.file)
    assert store.blobs.fetch(claimed.file).read_bytes() == b""


def test_what_is_kept_is_bounded_by_client_and_in_all(store: JobStore) -> None:
    limits = ResultSettings(max_bytes=3 << 20, max_client_bytes=2 << 20)
    accepted(store, "a", 2)
    store.check_room("someone", (2 << 20) - 10, limits)
    with pytest.raises(QuotaExceeded, match="your recordings"):
        store.check_room("someone", (2 << 20) - 9, limits)
    store.check_room("another", 2 << 20, limits)
    with pytest.raises(QuotaExceeded, match="the service"):
        store.check_room("another", 2 << 20, limits.model_copy(update={"max_bytes": 2 << 20}))
    # What failed is kept for another try, what is done is not.
    store.own("1-x")
    for state, kept in ((FileState.FAILED, 10), (FileState.DONE, 5)):
        claimed = store.claim("1-x", 0)
        assert claimed is not None
        assert store.finish("1-x", claimed.file, state)
        store.check_room("someone", (2 << 20) - kept, limits)
        with pytest.raises(QuotaExceeded):
            store.check_room("someone", (2 << 20) - kept + 1, limits)
    store.delete("a")
    store.check_room("someone", 2 << 20, limits)


def test_the_number_of_files_is_bounded_by_client_and_in_all(store: JobStore) -> None:
    limits = ResultSettings(max_kept_files=6, max_client_files=4)
    accepted(store, "a", 3)
    store.check_room("someone", 0, limits, more_files=1)
    with pytest.raises(QuotaExceeded, match="more than 4 files of yours"):
        store.check_room("someone", 0, limits, more_files=2)
    store.check_room("another", 0, limits, more_files=3)
    with pytest.raises(QuotaExceeded, match="more than 6 files of all clients"):
        store.check_room("another", 0, limits, more_files=4)
    # Canceling makes no room, deleting does.
    store.cancel("a")
    with pytest.raises(QuotaExceeded):
        store.check_room("someone", 0, limits, more_files=2)
    store.delete("a")
    store.check_room("someone", 0, limits, more_files=4)


def test_a_job_that_is_over_can_be_deleted_and_no_other(store: JobStore) -> None:
    accepted(store, "a", 1)
    with pytest.raises(Conflict):
        store.delete("a")
    store.cancel("a")
    store.delete("a")
    for ask in (store.get, store.delete, store.cancel):
        with pytest.raises(NotFound):
            ask("a")
    assert not store.blobs.incoming("a").exists()


def test_a_file_whose_claim_nobody_heard_of_is_put_back(store: JobStore) -> None:
    accepted(store, "job", 3)
    store.own("1-a")
    heard = [store.claim("1-a", count) for count in range(2)]
    first = heard[0]
    assert first is not None
    # The second answer was lost with the connection.
    assert store.put_back_strays("1-a", {(first.file.job, first.file.number)}) == 1
    assert sorted(states(store, "job")) == ["running", "waiting", "waiting"]
    assert store.put_back_strays("1-a", {(first.file.job, first.file.number)}) == 0
    # Of others it takes nothing.
    store.own("2-b")
    assert store.claim("2-b", 0) is not None
    assert store.put_back_strays("1-a", {(first.file.job, first.file.number)}) == 0


def test_a_client_sees_its_own_jobs_a_page_at_a_time(store: JobStore) -> None:
    for number in range(5):
        accepted(store, f"job{number}", 2)
    own = [one.job.id for one in store.of_client("someone", "", 10)]
    assert own == [f"job{n}" for n in (4, 3, 2, 1, 0)]
    first = store.of_client("someone", "", 2)
    second = store.of_client("someone", first[-1].job.id, 2)
    third = store.of_client("someone", second[-1].job.id, 2)
    assert [one.job.id for page in (first, second, third) for one in page] == own
    assert store.of_client("somebody else", "", 10) == []
    with pytest.raises(NotFound):
        store.of_client("someone", "nothing", 10)
    store.own("1-a")
    claimed = store.claim("1-a", 0)
    assert claimed is not None
    (running,) = [one for one in store.of_client("someone", "", 10) if one.state == "running"]
    assert running.job.id == claimed.job.id
    assert running.counts == {FileState.RUNNING: 1, FileState.WAITING: 1}
    store.cancel("job4")
    assert store.of_client("someone", "", 1)[0].state == "canceled"


def test_a_job_keeps_what_is_to_be_heard(store: JobStore) -> None:
    store.blobs.incoming("who").mkdir(parents=True)
    (store.blobs.incoming("who") / "0001").write_text("sound")
    wanted = SoundChoice.read({"speakers": "2-4", "track": "2", "channels": "split"})
    store.accept("who", "someone", "", [("1.wav", 5)], wanted)
    assert store.get("who")[0].choice == wanted


def test_what_a_reader_ought_to_know_is_kept_with_the_file(store: JobStore) -> None:
    accepted(store, "told", 1)
    claimed = store.claim("1-a", 0)
    assert claimed
    told = '[{"en": "10 s are missing", "zh": "缺 10 秒"}]'
    assert store.finish("1-a", claimed.file, FileState.DONE, warnings=told)
    (file,) = store.get("told")[1]
    assert (file.sentences("en"), file.sentences("zh")) == (["10 s are missing"], ["缺 10 秒"])
