"""`seacod backup` and `seacod restore`: all that the service has, whole, and nothing put where it
does not belong."""

from __future__ import annotations

import io
import json
import os
import random
import shutil
import sqlite3
import subprocess
import tarfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from seacod.alerts.outbox import Outbox
from seacod.cli import state_archive
from seacod.cli.main import at_the_edge
from seacod.cli.parser import make_parser
from seacod.errors import BadRequest, CannotWrite
from seacod.usage.ledger import UsageLedger, Use

BEFORE = Path(__file__).parents[1] / "cases" / "state-0.1.0"


class Machine:
    """A state directory, its configuration, and the commands on them."""

    def __init__(self, top: Path) -> None:
        self.state = top / "state"
        self.config = top / "seacod.yaml"
        self.file = top / "backup.tar.gz"
        shutil.copytree(BEFORE, self.state)
        (self.state / "models").mkdir()
        (self.state / "models/model.pt").write_text("heavy")
        self.secret = top / "password"
        self.secret.write_text("hush")
        self.secret.chmod(0o600)
        self.config.write_text(
            f"paths: {{state_directory: {self.state}, runtime_directory: {top / 'run'}}}\n"
            f"alerts: {{mail_password_file: {self.secret}}}\n"
        )

    def run(self, *words: str) -> int:
        typed = [*words, "--config", str(self.config)]
        options = make_parser(words[0]).parse_args(typed)
        return at_the_edge(lambda: options.run(options))

    def names(self) -> set[str]:
        with tarfile.open(self.file) as archive:
            return set(archive.getnames())


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_everything_comes_back(machine: Machine, capsys: pytest.CaptureFixture[str]) -> None:
    machine.config.write_text(machine.config.read_text() + "# mine\n")
    assert machine.run("backup", str(machine.file)) == 0
    assert "smtp-password" in capsys.readouterr().out
    assert machine.file.stat().st_mode & 0o077 == 0
    shutil.rmtree(machine.state)
    machine.state.mkdir()
    assert machine.run("restore", str(machine.file)) == 0
    left = {one.relative_to(BEFORE) for one in BEFORE.rglob("*") if one.is_file()}
    back = {one.relative_to(machine.state) for one in machine.state.rglob("*") if one.is_file()}
    assert back == left
    assert UsageLedger(machine.state / "usage.sqlite3").by_client("2026-11-26")[0].requests == 3
    outbox = Outbox(machine.state / "alerts.sqlite3")
    assert len(outbox.waiting("mail")) == 1
    outbox.close()


def test_neither_secrets_nor_models_are_in_it(machine: Machine) -> None:
    machine.run("backup", str(machine.file))
    assert not [name for name in machine.names() if "models" in name or "password" in name]
    with tarfile.open(machine.file) as archive:
        manifest = archive.extractfile("manifest.json")
        assert manifest is not None
        told = json.load(manifest)
    assert told["secrets"] == ["smtp-password"]
    assert told["databases"] == {"alerts.sqlite3": 1, "usage.sqlite3": 1, "jobs/jobs.db": 0}


def test_recordings_can_be_left_out(machine: Machine) -> None:
    machine.run("backup", str(machine.file), "--without-recordings")
    assert "state/jobs/jobs.db" in machine.names()
    assert not [name for name in machine.names() if name.endswith("/in/0001")]


def test_what_was_written_a_moment_before_is_in_it_though_the_file_is_open(
    machine: Machine,
) -> None:
    """In the write-ahead log, not in the file, and somebody goes on writing."""
    with closing(sqlite3.connect(machine.state / "usage.sqlite3", isolation_level=None)) as open_:
        open_.execute("PRAGMA journal_mode = WAL")
        open_.execute("PRAGMA wal_autocheckpoint = 0")
        open_.execute("INSERT INTO usage VALUES ('2026-11-27', 'a', 1, 0, 1.0)")
        open_.execute("BEGIN IMMEDIATE")
        open_.execute("INSERT INTO usage VALUES ('2026-11-28', 'b', 1, 0, 1.0)")
        assert machine.run("backup", str(machine.file)) == 0
        open_.execute("ROLLBACK")
    assert machine.run("restore", str(machine.file)) == 0
    found = UsageLedger(machine.state / "usage.sqlite3").by_client("2026-11-27")
    assert found == [Use("a", 1, 0, 1.0)]


def test_the_journal_of_what_was_there_does_not_meet_what_comes(machine: Machine) -> None:
    """As it lies there after a power cut."""
    machine.run("backup", str(machine.file))
    for suffix in ("-wal", "-shm"):
        (machine.state / f"usage.sqlite3{suffix}").write_bytes(b"of another file")
    assert machine.run("restore", str(machine.file)) == 0
    (aside,) = machine.state.glob("before-restore-*")
    for suffix in ("-wal", "-shm"):
        assert not (machine.state / f"usage.sqlite3{suffix}").exists()
        assert (aside / f"usage.sqlite3{suffix}").read_bytes() == b"of another file"


def test_what_was_there_is_kept_beside_it(machine: Machine) -> None:
    machine.run("backup", str(machine.file))
    UsageLedger(machine.state / "usage.sqlite3").add("2026-11-27", [Use("later", 1)])
    machine.config.write_text(machine.config.read_text() + "# changed since\n")
    assert machine.run("restore", str(machine.file)) == 0
    (aside,) = machine.state.glob("before-restore-*")
    assert UsageLedger(aside / "usage.sqlite3").by_client("2026-11-27")[0].client == "later"
    assert (machine.state / "models/model.pt").exists()
    restored = machine.config.with_name("seacod.yaml.restored")
    assert "# changed since" not in restored.read_text()
    assert "# changed since" in machine.config.read_text()


def packed(name: str, body: bytes = b"{}", kind: bytes = tarfile.REGTYPE) -> Callable[[Path], None]:
    def write(file: Path) -> None:
        with tarfile.open(file, "w") as archive:
            entry = tarfile.TarInfo(name)
            entry.size, entry.type, entry.linkname = len(body), kind, "/etc/passwd"
            archive.addfile(entry, io.BytesIO(body))

    return write


@pytest.mark.parametrize(
    "write",
    [
        packed("../outside"),
        packed("/tmp/outside"),
        packed("state/link", b"", tarfile.SYMTYPE),
        packed("state/device", b"", tarfile.CHRTYPE),
        packed("state/x"),
        packed("manifest.json"),
        packed("manifest.json", b"[1]"),
        lambda file: file.write_bytes(b"no archive"),
        lambda file: file.write_bytes(b""),
    ],
)
def test_what_is_no_backup_changes_nothing(tmp_path: Path, write: Callable[[Path], None]) -> None:
    file, state = tmp_path / "x.tar", tmp_path / "above/state"
    write(file)
    state.mkdir(parents=True)
    (state / "usage.sqlite3").write_text("mine")
    with pytest.raises(BadRequest, match="is not a backup"):
        state_archive.put_back(file, state, ())
    assert [one.name for one in state.iterdir()] == ["usage.sqlite3"]
    assert [one.name for one in state.parent.iterdir()] == ["state"]


def test_nothing_is_put_where_the_service_does_not_look(tmp_path: Path) -> None:
    """A backup names paths of its own, and root unpacks it."""
    elsewhere, here = tmp_path / "cron.d/x", tmp_path / "etc/seacod.yaml"
    told = {
        "format": 1, "version": "x", "made_at": "x", "secrets": [],
        "configuration": [str(elsewhere), str(here)],
    }  # fmt: skip
    file, state = tmp_path / "x.tar", tmp_path / "state"
    with tarfile.open(file, "w") as archive:
        for name, body in (
            ("manifest.json", json.dumps(told).encode()),
            ("configuration/0", b"* * * * * root"),
            ("configuration/1", b"log: {}"),
        ):
            entry = tarfile.TarInfo(name)
            entry.size = len(body)
            archive.addfile(entry, io.BytesIO(body))
    put = state_archive.put_back(file, state, {here})
    assert not elsewhere.parent.exists()
    assert here.read_bytes() == b"log: {}"
    kept, _ = put.configuration
    assert kept == put.aside / "configuration/0-x"


def flipped(file: Path, marked: bytes) -> None:
    """One bit of the content that begins so, as a disk turns it."""
    body = bytearray(file.read_bytes())
    body[body.index(marked)] ^= 1
    file.write_bytes(body)


def contents(state: Path) -> dict[str, bytes]:
    return {
        str(one.relative_to(state)): one.read_bytes() for one in state.rglob("*") if one.is_file()
    }


@pytest.mark.parametrize("is_packed", [True, False], ids=["tar.gz", "tar"])
def test_a_damaged_backup_is_refused_and_changes_nothing(
    machine: Machine, capsys: pytest.CaptureFixture[str], is_packed: bool
) -> None:
    (machine.state / "crashes").mkdir(exist_ok=True)
    # What does not get smaller by packing stands in the file as it is.
    (machine.state / "crashes/dossier").write_bytes(random.Random(1).randbytes(1 << 16))
    marked = (machine.state / "crashes/dossier").read_bytes()[30_000:30_020]
    file = machine.file if is_packed else machine.file.with_suffix("").with_suffix(".tar")
    assert machine.run("backup", str(file)) == 0
    flipped(file, marked)
    before = contents(machine.state)
    capsys.readouterr()
    assert machine.run("restore", str(file)) == BadRequest.exit_code
    assert "is damaged: " in capsys.readouterr().err
    assert contents(machine.state) == before


def test_a_backup_that_lacks_a_file_is_refused(machine: Machine, tmp_path: Path) -> None:
    machine.run("backup", str(machine.file))
    less = tmp_path / "less.tar"
    with tarfile.open(machine.file) as whole, tarfile.open(less, "w") as archive:
        for entry in whole:
            if entry.name != "state/usage.sqlite3":
                archive.addfile(entry, whole.extractfile(entry))
    with pytest.raises(BadRequest, match=r"is damaged: state/usage.sqlite3 \(1\)"):
        state_archive.put_back(less, machine.state, ())


def test_a_cut_off_backup_is_refused(machine: Machine) -> None:
    machine.run("backup", str(machine.file))
    with machine.file.open("r+b") as file:
        file.truncate(machine.file.stat().st_size - 2000)
    with pytest.raises(BadRequest, match="is damaged"):
        state_archive.put_back(machine.file, machine.state, ())


def test_an_older_backup_without_digests_is_put_back_with_a_word(
    machine: Machine, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    machine.run("backup", str(machine.file))
    older = tmp_path / "older.tar.gz"
    with tarfile.open(machine.file) as whole, tarfile.open(older, "w:gz") as archive:
        for entry in whole:
            body = whole.extractfile(entry)
            assert body is not None
            if entry.name == "manifest.json":
                told = json.load(body)
                del told["has_digests"]
                written = json.dumps(told).encode()
                entry.size, body = len(written), io.BytesIO(written)
            if entry.name != "digests.json":
                archive.addfile(entry, body)
    capsys.readouterr()
    assert machine.run("restore", str(older)) == 0
    assert "without checksums" in capsys.readouterr().out
    machine.run("restore", str(machine.file))
    assert "without checksums" not in capsys.readouterr().out


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_a_restore_is_all_or_nothing(machine: Machine) -> None:
    """The batches are on a disk of their own, which nobody can rename."""
    machine.run("backup", str(machine.file))
    (machine.state / "alerts.sqlite3").write_bytes(b"mine")
    before = contents(machine.state)
    jobs = machine.state / "jobs"
    subprocess.run(["mount", "--bind", jobs, jobs], check=True)
    try:
        with pytest.raises(CannotWrite, match=r"jobs: .*busy"):
            state_archive.put_back(machine.file, machine.state, ())
    finally:
        subprocess.run(["umount", jobs], check=True)
    assert contents(machine.state) == before
    assert not list(machine.state.glob("before-restore-*"))


def test_no_backup_is_written_into_what_is_backed_up(machine: Machine) -> None:
    """Each would have all those before it."""
    inside = machine.state / "backups"
    inside.mkdir()
    assert machine.run("backup", str(inside / "x.tar.gz")) == BadRequest.exit_code
    assert not list(inside.iterdir())


def test_a_backup_of_a_newer_version_is_named(tmp_path: Path) -> None:
    told = {"format": 99, "version": "9.0", "made_at": "x", "configuration": [], "secrets": []}
    packed("manifest.json", json.dumps(told).encode())(tmp_path / "x.tar")
    with pytest.raises(BadRequest, match=r"made by a newer seacod \(9.0\)"):
        state_archive.put_back(tmp_path / "x.tar", tmp_path / "state", ())


def test_a_place_that_cannot_be_written_to_leaves_nothing_half(
    machine: Machine, tmp_path: Path
) -> None:
    with pytest.raises(CannotWrite, match="no backup was made"):
        options = make_parser("backup").parse_args(
            ["backup", str(tmp_path / "none/x.tar"), "--config", str(machine.config)]
        )
        options.run(options)


def test_a_directory_in_its_place_is_named_as_it_was_typed(
    machine: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    machine.file.mkdir()
    assert machine.run("backup", str(machine.file)) == 73
    assert f"{machine.file}: Is a directory" in capsys.readouterr().err
