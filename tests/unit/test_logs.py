"""Where log lines go, and what they look like there."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import structlog

from seacod import logs
from seacod.config.log import LogSettings
from seacod.system.files.append_file import AppendFile, why_not


@pytest.fixture(autouse=True)
def _put_back() -> object:
    yield
    structlog.reset_defaults()


def test_json_lines_carry_event_level_and_fields(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(LogSettings(format="json"), "supervisor")
    structlog.get_logger().warning("worker_exited", status=-9)
    line = json.loads(capsys.readouterr().err)
    assert (line["event"], line["level"], line["status"]) == ("worker_exited", "warning", -9)
    assert line["component"] == "supervisor"


def test_what_a_worker_printed_last_is_a_field_and_not_in_the_readable_line(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """It stands above, line by line; an alert has lines of its own for it."""
    logs.configure(LogSettings(format="json"), "supervisor")
    structlog.get_logger().error("worker_exited", last_lines=['{"event": "ready"}'], status=-9)
    assert json.loads(capsys.readouterr().err)["last_lines"] == ['{"event": "ready"}']
    assert logs.recent(1)[0].endswith("error worker_exited status=-9")


def test_lines_of_one_of_several_workers_say_whose_they_are(
    capsys: pytest.CaptureFixture[str],
) -> None:
    logs.configure(LogSettings(format="json"), "worker")
    logs.identify(pid=7, worker=2)
    try:
        structlog.get_logger().info("transcribed", seconds=1.0)
        # As at a reload.
        logs.configure(LogSettings(format="json"), "worker")
        structlog.get_logger().info("retiring")
    finally:
        logs.identify()
    first, second = map(json.loads, capsys.readouterr().err.splitlines())
    assert (first["pid"], first["worker"], first["seconds"]) == (7, 2, 1.0)
    assert (second["pid"], second["worker"]) == (7, 2)


def test_lines_below_the_level_are_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(LogSettings(format="json", level="warning"), "worker")
    structlog.get_logger().info("request_answered")
    assert capsys.readouterr().err == ""


def test_the_journal_gets_priority_and_fields(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A datagram socket of ours stands in for journald; tests/system reads the real one."""
    path = tmp_path / "journal"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as journal:
        journal.bind(str(path))
        monkeypatch.setattr(logs, "_JOURNAL_SOCKET", str(path))
        logs.configure(LogSettings(format="journal"), "worker")
        structlog.get_logger().error("request_failed", request_id="r-1", text="a\nb")
        data = journal.recv(65536)
    assert b"PRIORITY=3\n" in data
    assert b"SEACOD_EVENT=request_failed\n" in data
    assert b"SEACOD_REQUEST_ID=r-1\n" in data
    assert b"SEACOD_TEXT\n\x03\x00\x00\x00\x00\x00\x00\x00a\nb\n" in data


def test_a_journald_that_stands_still_is_waited_for_once_and_told_of_what_it_missed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "journal"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as journal:
        journal.bind(str(path))
        monkeypatch.setattr(logs, "_JOURNAL_SOCKET", str(path))
        logs.configure(LogSettings(format="journal"), "supervisor")
        # What sockets are told to wait, line by line.
        waited: list[float] = []
        kept = socket.socket.settimeout

        def settimeout(one: socket.socket, seconds: float | None) -> None:
            waited.append(seconds or 0.0)
            kept(one, seconds)

        monkeypatch.setattr(socket.socket, "settimeout", settimeout)
        for number in range(2_000):
            structlog.get_logger().info("worker_ready", number=number)
        assert waited[-1000:] == [0.0] * 1000
        assert capsys.readouterr().err == ""
        queued = 0
        journal.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            while True:
                journal.recv(65536)
                queued += 1
        structlog.get_logger().info("worker_exited")
        told, last = journal.recv(65536).decode(), journal.recv(65536).decode()
    assert "MESSAGE=log_lines_lost" in told
    assert f"SEACOD_LINES={2_000 - queued}\n" in told
    assert "MESSAGE=worker_exited" in last


def test_without_journald_the_line_goes_to_stderr_with_its_priority(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(logs, "_JOURNAL_SOCKET", str(tmp_path / "nobody"))
    logs.configure(LogSettings(format="journal"), "worker")
    structlog.get_logger().error("request_failed", request_id="r-1")
    assert capsys.readouterr().err.startswith("<3>request_failed request_id=r-1")


def test_reopening_goes_on_in_a_new_file(tmp_path: Path) -> None:
    file = tmp_path / "seacod.log"
    logs.configure(LogSettings(format="json", file=file), "supervisor")
    structlog.get_logger().info("before")
    file.rename(tmp_path / "seacod.log.1")
    structlog.get_logger().info("between")
    logs.reopen()
    structlog.get_logger().info("after")
    old = [json.loads(line)["event"] for line in (tmp_path / "seacod.log.1").open()]
    new = [json.loads(line)["event"] for line in file.open()]
    assert (old, new) == (["before", "between"], ["after"])


def test_a_full_disk_loses_lines_and_nothing_else(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "log"
    file.symlink_to("/dev/full")
    logs.configure(LogSettings(format="json", file=file), "worker")
    log = structlog.get_logger()
    for number in range(3):
        log.info("request_answered", number=number)
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    # Told once, where it can be; the lines themselves are there, too.
    assert [line["event"] for line in lines].count("log_file_not_written") == 1
    assert [line["number"] for line in lines if "number" in line] == [0, 1, 2]
    (told,) = [line for line in lines if line["event"] == "log_file_not_written"]
    assert (told["file"], told["cause"]) == (str(file), "No space left on device")
    # There is room again.
    file.unlink()
    logs.reopen()
    log.info("request_answered", number=3)
    kept = [json.loads(line) for line in file.read_text().splitlines()]
    assert [line["event"] for line in kept] == ["log_lines_lost", "request_answered"]
    assert (kept[0]["lines"], kept[0]["cause"]) == (3, "No space left on device")


def test_a_line_that_was_cut_off_spoils_no_other(small_disk: Path) -> None:
    file, filler = AppendFile(small_disk / "log"), small_disk / "filler"
    with pytest.raises(OSError, match="No space left"):
        for _ in range(10_000):
            file.write("x" * 4000)
    filler.write_bytes(b"")
    # Some room again: what is cut off now stands on a line of its own.
    os.truncate(small_disk / "log", 8_002)
    file.write("whole")
    assert file.path.read_text().splitlines()[-1] == "whole"


def test_a_log_file_that_is_no_place_for_lines_is_a_sentence(tmp_path: Path) -> None:
    assert why_not(tmp_path / "log") is None
    assert why_not(tmp_path) == ("Is a directory", "是一个目录")
    assert why_not(tmp_path / "nowhere" / "log") == (
        "No such file or directory",
        "没有这个文件或目录",
    )
    os.mkfifo(tmp_path / "pipe")
    assert why_not(tmp_path / "pipe") is not None, "nobody reads it: writing would wait for ever"


def test_looking_whether_lines_can_be_written_makes_no_file(tmp_path: Path) -> None:
    """`sudo seacod config check` made one of root's, and the service could not write to it."""
    assert why_not(tmp_path / "log") is None
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    assert why_not(tmp_path / "link") is None
    assert [one.name for one in tmp_path.iterdir()] == ["link"]
    (tmp_path / "there").write_text("a line\n")
    assert why_not(tmp_path / "there") is None
    assert (tmp_path / "there").read_text() == "a line\n"


@pytest.mark.skipif(os.getuid() != 0, reason="becomes another user")
def test_a_directory_that_is_not_the_users_is_told(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    code = (
        "import os, sys; from pathlib import Path; "
        "from seacod.system.files.append_file import why_not;"
        "os.setgid(65534); os.setuid(65534); print(why_not(Path(sys.argv[1])))"
    )
    for directory in (tmp_path, *tmp_path.parents):
        directory.chmod(directory.stat().st_mode | 0o011)
    asked = [sys.executable, "-c", code]
    for opened, told in ((0o700, "('Permission denied', '权限不足')"), (0o777, "None")):
        closed.chmod(opened)
        done = subprocess.run(
            [*asked, closed / "log"], stdout=subprocess.PIPE, text=True, check=True
        )
        assert done.stdout.strip() == told


def test_a_reader_of_stderr_that_is_gone_ends_nobody(tmp_path: Path) -> None:
    code = (
        "import structlog, sys; from seacod import logs; from seacod.config.log import LogSettings;"
        "sys.stdin.readline(); logs.configure(LogSettings(format='json'), 'supervisor');"
        "[structlog.get_logger().info('again') for _ in range(3)]; logs.flush();"
        "open(sys.argv[1], 'w').write('alive'); sys.stderr = None"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path / "said")],
        stdin=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    assert process.stderr is not None
    process.stderr.close()
    process.communicate(b"go\n")
    assert (tmp_path / "said").read_text() == "alive"


def test_lines_of_two_threads_do_not_mix() -> None:
    code = (
        "import structlog, threading; from seacod import logs;"
        "from seacod.config.log import LogSettings;"
        "logs.configure(LogSettings(format='json'), 'worker'); log = structlog.get_logger();"
        "work = lambda: [log.info('said', number=n) for n in range(300)];"
        "threads = [threading.Thread(target=work) for _ in range(4)];"
        "[one.start() for one in threads]; [one.join() for one in threads]"
    )
    done = subprocess.run(
        [sys.executable, "-u", "-c", code], stderr=subprocess.PIPE, text=True, check=True
    )
    lines = [json.loads(line) for line in done.stderr.splitlines()]
    assert len(lines) == 1200
