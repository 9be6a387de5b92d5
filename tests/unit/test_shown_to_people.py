"""What others wrote, where a terminal, a spreadsheet or Markdown would take it for more."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import pytest

from seacod.cli import crashes, main, transcribe
from seacod.cli.plan import PlannedFile
from seacod.errors import BadRequest
from seacod.formats import registry
from seacod.supervisor.watch import crashes as kept_crashes
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
