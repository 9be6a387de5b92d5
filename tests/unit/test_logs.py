"""Where log lines go, and what they look like there."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest
import structlog

from seacod import logs
from seacod.config.log import LogSettings


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
