"""What others wrote, where a terminal, a spreadsheet or Markdown would take it for more."""

from __future__ import annotations

import argparse
import io
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from seacod.cli import crashes, fleet, main, transcribe
from seacod.cli.plan import PlannedFile
from seacod.errors import BadRequest
from seacod.formats import registry
from seacod.supervisor.watch import crashes as kept_crashes
from seacod.system.text import terminal
from seacod.system.text.terminal import printable
from seacod.transcript import Segment, Transcript, TranscriptWarning

EVIL = "\x1b]0;pwned\x07\u202egpj.wav\x9b2J\n"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("会议\u3000记录 é\t1.wav", "会议\u3000记录 é\t1.wav"),
        ("\x1b[2J", "\\u001b[2J"),
        ("a\r\nb", "a\\u000d\\u000ab"),
        ("\x9b2J\u202e\u200b\u2028", "\\u009b2J\\u202e\\u200b\\u2028"),
        ("\U000e0041", "\\udb40\\udc41"),
        # A name that is no text is written so when it is encoded.
        ("\udcb2", "\udcb2"),
    ],
)
def test_what_would_steer_a_terminal_is_written_out(text: str, shown: str) -> None:
    assert printable(text) == shown


def is_harmless(said: str) -> bool:
    return not set(said) & set("\x1b\x07\x9b\u202e")


def test_commands_write_nothing_that_steers_the_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    main._complain(BadRequest(EVIL, EVIL))
    task = PlannedFile(Path(EVIL), None)
    transcribe._tell(task, (TranscriptWarning("x", EVIL, EVIL),), set())
    crash: dict[str, Any] = {
        "served_seconds": None, "lost_requests": 0, "last_recording": EVIL, "at": 0.0, "pid": 1,
        "cause": "signal SIGKILL", "status": -9, "in_state": "serving", "last_lines": [EVIL],
        "directory": "/x",
    }  # fmt: skip
    monkeypatch.setattr(kept_crashes, "kept", lambda state: [crash])
    crashes.run(argparse.Namespace(config=None, json=False))
    told = capsys.readouterr()
    assert is_harmless(told.out + told.err)
    assert told.err.count("gpj.wav") == 3
    assert told.out.count("gpj.wav") == 2


def printed(monkeypatch: pytest.MonkeyPatch, text: str) -> str:
    """What becomes of it on the way to a terminal or a pipe."""
    file = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(file, "utf-8", newline=""))
    terminal.guard_output()
    terminal.guard_output()
    print(text, flush=True)
    return file.getvalue().decode()


def test_whatever_is_printed_steers_no_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    said = printed(monkeypatch, f"会议{EVIL}")
    assert is_harmless(said)
    assert said.startswith("会议\\u001b]0;pwned")
    ours = "\x1b[H\x1b[2J\x1b[31m坏\x1b[0m\r 50 %\t|"
    assert printed(monkeypatch, ours) == f"{ours}\n"


@pytest.mark.parametrize("indent", [None, 2])
def test_json_that_is_printed_stays_the_same_json(
    monkeypatch: pytest.MonkeyPatch, indent: int | None
) -> None:
    value = {"会议": [f"记录{EVIL}", "\U000e0041\u2028\x7f\x9b", "\udcb2", 1.5]}
    said = printed(monkeypatch, json.dumps(value, ensure_ascii=False, indent=indent))
    assert json.loads(said) == value
    assert "会议" in said
    assert is_harmless(said)
    assert not set(said) & set("\U000e0041\u2028\x7f")


def test_a_service_elsewhere_steers_no_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    theirs: dict[str, Any] = {
        "host": "a", "state": "serving", "model": EVIL, "device": "\x1b[2J", "in_flight": 1,
        "queue_depth": 0, "restarts": 0, "version": "1\n2", "remark": EVIL,
    }  # fmt: skip
    monkeypatch.setattr(fleet, "_ask", lambda name, url, key: theirs)
    said, _ = fleet.fleet("a", None, as_json=False)
    assert is_harmless(said)
    assert len(said.splitlines()) == 3


@pytest.mark.parametrize("name", ["tsv", "csv"])
@pytest.mark.parametrize("cell", ["=1+1", "+1", "-1", "@SUM(A1)", " =1", "＝1"])
def test_no_cell_of_a_table_is_a_formula(name: str, cell: str) -> None:
    one = next(each for each in registry.all_formats() if each.name == name)
    for speaker, text in ((None, cell), (cell, "好")):
        said = Transcript(
            text, (Segment(0.0, 1.0, text, 0.9, (), speaker),), 1.0, 0.1, 0.0, 0.9, "m", "cpu"
        )
        cells = [
            c for row in one.write(said).splitlines()[1:] for c in row.split("\t,"[name == "csv"])
        ]
        assert not any(c.lstrip(' "').startswith(tuple("=+-@＝")) for c in cells), cells
