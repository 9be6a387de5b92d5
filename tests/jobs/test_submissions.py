"""The same upload again is the same job: by the key its client gave it, in both databases."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from seacod.errors import BadRequest, KeyReused, NotFound
from seacod.jobs import submissions
from seacod.jobs.model import Submission
from seacod.jobs.opening import open_store
from seacod.jobs.store import JobStore

ONE = Submission("key", "digest")


@pytest.fixture
def store(tmp_path: Path, address: str) -> Iterator[JobStore]:
    one = open_store(tmp_path / "jobs", address)
    yield one
    one.close()


def accept(store: JobStore, job: str, submission: Submission, client: str = "me") -> str:
    incoming = store.blobs.incoming(job)
    incoming.mkdir(parents=True)
    (incoming / "0001").write_text("sound")
    return store.accept(job, client, "", [("1.wav", 5)], submission=submission)


def test_the_same_key_of_the_same_client_is_the_same_job(store: JobStore, tmp_path: Path) -> None:
    assert store.submitted("me", ONE) is None
    assert accept(store, "first", ONE) == "first"
    assert accept(store, "second", ONE) == "first"
    assert store.submitted("me", ONE) == "first"
    assert not (tmp_path / "jobs/second").exists()
    with pytest.raises(NotFound):
        store.get("second")
    # Somebody else's key is his own.
    assert accept(store, "other", ONE, "you") == "other"
    assert accept(store, "third", Submission("another", "digest")) == "third"


def test_the_same_key_with_something_else_is_refused(store: JobStore) -> None:
    accept(store, "first", ONE)
    for call in (lambda: store.submitted("me", Submission("key", "other")),
                 lambda: accept(store, "second", Submission("key", "other"))):  # fmt: skip
        with pytest.raises(KeyReused, match="other recordings or fields before .job first."):
            call()


def test_a_key_is_kept_as_long_as_its_job_and_over_restarts(
    store: JobStore, tmp_path: Path, address: str
) -> None:
    accept(store, "first", ONE)
    other = open_store(tmp_path / "jobs", address)
    assert other.submitted("me", ONE) == "first"
    other.cancel("first")
    assert other.submitted("me", ONE) == "first"
    other.delete("first")
    assert other.submitted("me", ONE) is None
    assert accept(other, "again", ONE) == "again"
    other.cancel("again")
    assert other.delete_expired(-1.0) == 1
    assert other.submitted("me", ONE) is None
    other.close()


def test_the_same_that_comes_many_times_at_once_is_one_job(
    tmp_path: Path, address: str, store: JobStore
) -> None:
    stores = [open_store(tmp_path / "jobs", address) for _ in range(4)]
    with ThreadPoolExecutor(4) as threads:
        calls = [
            threads.submit(accept, one, f"job-{number}-{turn}", ONE)
            for turn in range(3)
            for number, one in enumerate(stores)
        ]
        jobs = {call.result() for call in calls}
    assert len(jobs) == 1
    assert [one.job.id for one in store.of_client("me", "", 10)] == list(jobs)
    for one in stores:
        one.close()


def test_a_key_is_what_is_printed_and_of_some_length() -> None:
    assert submissions.read_key("") == ""
    assert submissions.read_key(' "8e03978e-40d5-43dd" ') == "8e03978e-40d5-43dd"
    for wrong in ("x" * 256, "a b", "ключ", '""', " "):
        with pytest.raises(BadRequest, match="^Idempotency-Key: use 1 to 255"):
            submissions.read_key(wrong)


def test_a_digest_is_that_of_all_that_came(tmp_path: Path) -> None:
    for name, body in (("a", b"1"), ("b", b"2"), ("c", b"1")):
        (tmp_path / name).write_bytes(body)
    a, b, c = (tmp_path / name for name in "abc")
    fields = {"hotwords": ["x"], "url": ["u", "v"]}
    same = submissions.digest(fields, [("1.wav", a)])
    assert same == submissions.digest(dict(reversed(fields.items())), [("1.wav", c)])
    others = [
        submissions.digest(fields, [("1.wav", b)]),
        submissions.digest(fields, [("2.wav", a)]),
        submissions.digest(fields, [("1.wav", a), ("1.wav", a)]),
        submissions.digest({**fields, "url": ["v", "u"]}, [("1.wav", a)]),
        submissions.digest({}, [("1.wav", a)]),
        submissions.digest(fields, []),
    ]
    assert len({same, *others}) == 7
