"""`seacod report` reads the log file and the journal alike."""

from __future__ import annotations

import gzip
import json
import os
import time
from pathlib import Path
from typing import Any

import pytest
import typed

from seacod.cli import report
from seacod.errors import BadRequest, NotRunning

SLOW = {
    "event": "transcribed", "route": "/transcribe", "outcome": "text", "seconds": 20.0,
    "audio_seconds": 1800.0, "queue_seconds": 12.0, "decoding_seconds": 2.0, "voice_seconds": 1.0,
    "inference_seconds": 4.0, "real_time_factor": 0.0044, "request_id": "00e5",
}  # fmt: skip
FAST = {**SLOW, "seconds": 0.5, "queue_seconds": 0.0, "inference_seconds": 0.4, "request_id": "b"}
FAILED = {
    "event": "not_transcribed", "outcome": "bad_audio", "said": "not audio",
    "said_zh": "不是音频", "seconds": 0.01,
}  # fmt: skip


def line(fields: dict[str, object], at: float) -> str:
    stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.localtime(at))
    return json.dumps({**fields, "timestamp": stamp})


def journal(fields: dict[str, object], at: float) -> str:
    """As journalctl -o json writes it: text only, names of its own."""
    entry = {
        f"SEACOD_{key.upper()}": value if isinstance(value, str) else json.dumps(value)
        for key, value in fields.items()
    }
    return json.dumps({"MESSAGE": "x", "__REALTIME_TIMESTAMP": str(int(at * 1e6)), **entry})


@pytest.mark.parametrize("written", [line, journal])
def test_requests_are_read_with_where_their_time_went(written) -> None:
    now = time.time()
    lines = [
        written(FAST, now - 10), "Traceback (most recent call last):", "[1]",
        written({"event": "worker_ready"}, now), written(SLOW, now - 5),
        written(SLOW, now - 5000), written(FAILED, now - 1),
    ]  # fmt: skip
    found = list(report.requests(lines, now - 3600))
    assert [one.seconds for one in found] == [0.5, 20.0, 0.01]
    fast, slow, failed = found
    assert slow.fields["request_id"] == "00e5"
    assert slow.stages()["other"] == pytest.approx(1.0)
    assert slow.why() == ("60% waiting in the queue (12.00 s)", "60% 排队（12.00 秒）")
    assert failed.why() == ("not audio", "不是音频")
    assert fast.outcome == "text"


def test_a_length_of_time_is_a_number_and_a_unit() -> None:
    assert [report.seconds_of(text) for text in ("30s", "1.5m", "2h", "1d")] == [
        30, 90, 7200, 86_400,
    ]  # fmt: skip
    for text in ("", "h", "1", "1w", "-1h", "1 h"):
        with pytest.raises(BadRequest, match="such as 1h"):
            report.seconds_of(text)


def test_what_logrotate_put_aside_is_read_too(tmp_path: Path) -> None:
    now = time.time()
    (tmp_path / "seacod.log.1").write_text(line(SLOW, now - 60) + "\n")
    (tmp_path / "seacod.log").write_text(line(FAST, now) + "\n")
    printed = typed.seacod("report", "--log", tmp_path / "seacod.log").stdout
    assert "2 requests in the last 1h: 2 answered (P50" in printed
    assert printed.index("20.00s") < printed.index("0.50s")
    printed = typed.seacod("report", "--log", tmp_path / "seacod.log", LC_ALL="zh_CN.UTF-8").stdout
    assert "最近 1h 内有 2 个请求，成功 2 个（P50 " in printed
    assert "60% 排队（12.00 秒）" in printed and "waiting" not in printed
    missing = typed.seacod("report", "--log", tmp_path / "none.log")
    assert missing.returncode == 69
    assert "there is no such log" in missing.stderr
    assert "Traceback" not in missing.stderr


def reported(*words: str) -> dict[str, Any]:
    done = typed.seacod("report", "--json", *words)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_all_that_was_rotated_is_read(tmp_path: Path) -> None:
    now, log = time.time(), tmp_path / "seacod.log"
    log.write_text(line({**FAST, "request_id": "now"}, now - 10) + "\n")
    (tmp_path / "seacod.log.1").write_text(line({**FAST, "request_id": "one"}, now - 7200) + "\n")
    for name, request, age in (
        ("seacod.log.2.gz", "two", 90_000), ("seacod.log-20261101.gz", "day", 180_000),
    ):  # fmt: skip
        with gzip.open(tmp_path / name, "wt") as packed:
            packed.write(line({**FAST, "request_id": request}, now - age) + "\n")
    (tmp_path / "seacod.log.bak").write_text(line({**FAST, "request_id": "no"}, now) + "\n")
    found = reported("--log", str(log), "--since", "7d")
    assert {one["request_id"] for one in found["slowest"]} == {"now", "one", "two", "day"}
    assert found["known_since"] == pytest.approx(now - 180_000, abs=2)


def test_a_packed_log_can_be_named(tmp_path: Path) -> None:
    packed = tmp_path / "x.gz"
    with gzip.open(packed, "wt") as out:
        out.write(line(SLOW, time.time() - 60) + "\n")
    assert reported("--log", str(packed))["requests"] == 1


def test_it_says_from_when_on_it_knows(tmp_path: Path) -> None:
    log = tmp_path / "seacod.log"
    log.write_text(line({"event": "supervisor_started"}, time.time() - 600) + "\n")
    done = typed.seacod("report", "--log", log, "--since", "2d")
    assert "the log begins at" in done.stdout
    log.write_text("")
    done = typed.seacod("report", "--log", log, "--since", "2d")
    assert "the log has nothing at all of that time" in done.stdout


def test_a_broken_packed_log_is_named(tmp_path: Path) -> None:
    (tmp_path / "x.gz").write_bytes(gzip.compress(b"something" * 100)[:-20])
    with pytest.raises(NotRunning, match=r"x\.gz: cannot be read"):
        list(report._files(tmp_path / "x.gz"))


@pytest.fixture
def refusing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A journalctl as somebody meets it who may not read the journal."""
    program = tmp_path / "bin/journalctl"
    program.parent.mkdir()
    program.write_text(
        "#!/bin/sh\necho 'No journal files were opened: not permitted' >&2\nexit 1\n"
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")


@pytest.mark.usefixtures("refusing")
def test_a_journal_that_cannot_be_read_is_no_hour_without_requests(tmp_path: Path) -> None:
    config = tmp_path / "seacod.yaml"
    config.write_text("log: {level: info}\n")
    done = typed.seacod("report", "--config", config)
    assert done.returncode == NotRunning.exit_code
    assert "journal cannot be read: No journal files were opened: not permitted" in done.stderr


@pytest.mark.usefixtures("refusing")
def test_what_the_file_has_is_reported_without_the_journal(tmp_path: Path) -> None:
    log, config = tmp_path / "seacod.log", tmp_path / "seacod.yaml"
    log.write_text(line(SLOW, time.time() - 60) + "\n")
    config.write_text(f"log: {{file: {log}}}\n")
    assert "1 request" in typed.seacod("report", "--config", config).stdout
