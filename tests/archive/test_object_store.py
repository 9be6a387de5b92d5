"""Archives in an object store: recordings, lists and results at `s3://`, on moto's server, which
holds every request against IAM. Wrong addresses and credentials are one sentence each."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
import sounds
from object_store import ObjectStore
from supervised import ROOT, free_port

from seacod.archive import inputs
from seacod.archive.command import Archive, transcribe
from seacod.archive.ledger import ArchiveLedger
from seacod.asr.choice import SoundChoice
from seacod.errors import BadRequest, NotFound, SeacodError
from seacod.formats.text import FORMAT as TEXT
from seacod.system.net import object_store
from seacod.system.net.remote_files import RemoteFiles

pytestmark = pytest.mark.timeout(600)
# As people call their recordings.
NAMES = ("一号会议 #1.flac", "deep/er/50%20 off [b]+&=.flac", "plain.FLAC")


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ObjectStore]:
    one = ObjectStore(tmp_path_factory.mktemp("moto") / "log")
    try:
        one.make_bucket("archive")
        one.make_bucket("results")
        one.hold_to_account()
        yield one
    finally:
        one.stop()


@pytest.fixture
def files(store: ObjectStore) -> RemoteFiles:
    return RemoteFiles(object_store.access(store.access))


def environment(tmp_path: Path, store: ObjectStore) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    return {
        **kept, **store.access, "PYTHONPATH": str(ROOT), "HOME": str(tmp_path),
        "XDG_STATE_HOME": str(tmp_path / "state"), "LANG": "C.UTF-8", "NO_PROXY": "127.0.0.1",
        # How many go at once is measured elsewhere.
        "SEACOD_ASR_TUNE": "off",
    }  # fmt: skip


def test_what_is_written_is_found_and_read(files: RemoteFiles) -> None:
    for name in NAMES:
        files.write(f"s3://archive/a/{name}", name.encode())
    files.write("s3://archive/ab/other.flac", b"of another directory")
    found = files.find("s3://archive/a/")
    assert {one.place for one in found} == set(NAMES)
    assert found == files.find("s3://archive/a")
    for one in found:
        assert files.read(one.url).decode() == one.place
        assert one.size_bytes == len(one.place.encode())
        assert files.find(one.url)[0].place == one.place.rpartition("/")[2]
    assert len(files.find("s3://archive")) == len(NAMES) + 1
    big = os.urandom(5 << 20)
    files.write("s3://archive/b/big", big)
    assert files.read("s3://archive/b/big") == big
    assert files.exists("s3://archive/b/big")
    assert not files.exists("s3://archive/b/none")
    with pytest.raises(NotFound, match="there is no such object"):
        files.read("s3://archive/b/none")


def test_an_archive_that_lies_there_and_goes_there(
    tmp_path: Path, store: ObjectStore, files: RemoteFiles
) -> None:
    speech = sounds.SPEECH.read_bytes()
    for name in NAMES:
        files.write(f"s3://archive/day/{name}", speech)
    files.write("s3://archive/day/notes.docx", b"no recording")
    files.write("s3://archive/day/broken.wav", b"no sound at all")

    def typed(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "seacod", "transcribe", *words, "--ray", "local"],
            env=environment(tmp_path, store), capture_output=True, text=True, check=False,
            timeout=300,
        )  # fmt: skip

    done = typed("s3://archive/day/", "-o", "s3://results/texts")
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr
    assert json.loads(done.stdout)["files"] == {"done": 3, "failed": 1}
    for name in NAMES:
        text = files.read(f"s3://results/texts/{name.rpartition('.')[0]}.txt").decode()
        assert text.strip() == sounds.SPEECH_TEXT
    rows = [
        json.loads(line) for line in files.read("s3://results/texts/manifest.jsonl").splitlines()
    ]
    assert {row["name"]: row["state"] for row in rows} == {
        **dict.fromkeys(NAMES, "done"), "broken.wav": "failed",
    }  # fmt: skip
    # No credential is told to anybody.
    assert store.access["AWS_SECRET_ACCESS_KEY"] not in done.stderr + json.dumps(rows)

    # What the next command would make of it: each of them has its text.
    ledger = ArchiveLedger("s3://results/texts/", files)
    for row in rows:
        is_done = ledger.is_done(row["name"], row["sha256"], row["output"])
        assert is_done == (row["state"] == "done")


def test_a_list_that_lies_there_names_what_lies_beside_it(files: RemoteFiles) -> None:
    rows = [{"path": name, "hotwords": "魔搭"} for name in NAMES]
    listed = "\n".join(json.dumps(row, ensure_ascii=False) for row in rows)
    files.write("s3://archive/day/list.jsonl", listed.encode())
    found = inputs.items(["s3://archive/day/list.jsonl"], TEXT, files)
    assert {one.name: one.source for one in found} == {
        name: f"s3://archive/day/{name}" for name in NAMES
    }
    assert {one.hotwords for one in found} == {"魔搭"}


def ordered(
    given: str, output: str, environment: Mapping[str, str], monkeypatch: pytest.MonkeyPatch
) -> str:
    """The sentence that `seacod transcribe` ends with; no Ray is started for it."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    archive = Archive(
        [given], output, "text", "", SoundChoice(), "local", "builtin", None, False, 0
    )  # fmt: skip
    with pytest.raises(SeacodError) as told:
        transcribe(archive)
    assert "\n" not in told.value.message
    return told.value.message


def test_wrong_addresses_and_credentials_are_a_sentence(
    store: ObjectStore, tmp_path: Path, files: RemoteFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    files.write("s3://archive/one.flac", sounds.SPEECH.read_bytes())
    texts, access = str(tmp_path / "texts"), store.access

    def told(given: str, output: str = texts, **changed: str) -> str:
        return ordered(given, output, {**access, **changed}, monkeypatch)

    assert f"there is no bucket nothing at {store.url}" in told("s3://nothing/day/")
    assert f"there is no bucket nothing at {store.url}" in told("s3://nothing/one.flac")
    assert f"there is no bucket nothing at {store.url}" in told(
        "s3://archive/one.flac", "s3://nothing/texts"
    )
    assert "there is no recording below this address" in told("s3://archive/none/")
    assert "there is no such object" in told("s3://archive/list.csv")
    stranger = told("s3://archive/one.flac", AWS_ACCESS_KEY_ID="AKIA" + "X" * 16)
    assert "refuses these credentials" in stranger
    assert "AWS_ACCESS_KEY_ID" in stranger
    assert "refuses these credentials" in told("s3://archive/", AWS_SECRET_ACCESS_KEY="wrong")
    nobody = f"http://127.0.0.1:{free_port()}"
    assert f"{nobody} does not answer" in told("s3://archive/", AWS_ENDPOINT_URL=nobody)
    assert f"{nobody} does not answer" in told("s3://archive/", AWS_ENDPOINT_URL_S3=nobody)
    assert "'minio:9000' is not an address" in told("s3://archive/", AWS_ENDPOINT_URL="minio:9000")
    assert "AWS_CA_BUNDLE: /none: No such file" in told("s3://archive/", AWS_CA_BUNDLE="/none")
    assert "s3://BUCKET/KEY" in told("s3:///one.flac")
    access = {"AWS_ENDPOINT_URL": store.url}
    assert "there are no credentials; set AWS_ACCESS_KEY_ID" in told("s3://archive/")


def test_whoever_may_not_write_learns_it_before_anything_was_heard(
    store: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = ordered(str(sounds.SPEECH), "s3://results/x", store.reader, monkeypatch)
    assert "s3://results/x/manifest.jsonl" in said
    assert "refuses these credentials (AccessDenied" in said


def test_the_option_comes_before_the_environment(store: ObjectStore) -> None:
    told = {"AWS_ENDPOINT_URL": "http://elsewhere.example", "PATH": "x", "AWS_REGION": ""}
    assert object_store.access(told, store.url) == {"AWS_ENDPOINT_URL": store.url}
    with pytest.raises(BadRequest, match="--s3-endpoint: 'x'"):
        object_store.access(told, "x")
