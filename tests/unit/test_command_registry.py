"""A command is one file, and so is an item of the checklist: whoever adds one finds it in the help,
in the manual page and in the completion of shells. Typed, a command imports nothing of the
others."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
from documents import completion, man

import seacod.cli
from seacod.cli.main import main
from seacod.proving import bench
from seacod.proving.checks import items

COMMAND = '''
"""`seacod say-hello`: greets."""

HELP = "greet somebody"


def add(parser):
    parser.add_argument("--whom", help="who is greeted")


def run(options):
    print(f"hello {options.whom}")
    return 3
'''


@pytest.mark.parametrize(("package", "words"), [(seacod.cli, []), (bench, ["bench"])])
def test_a_command_in_one_file_is_everywhere(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    package: ModuleType,
    words: list[str],
) -> None:
    (tmp_path / "say_hello.py").write_text(COMMAND)
    monkeypatch.setattr(package, "__path__", [*package.__path__, str(tmp_path)])
    with pytest.raises(SystemExit) as ended:
        main([*words, "say-hello", "--whom", "you"])
    assert ended.value.code == 3
    assert capsys.readouterr().out == "hello you\n"
    with pytest.raises(SystemExit):
        main([*words, "--help"])
    assert "greet somebody" in capsys.readouterr().out
    full = " ".join(["seacod", *words, r"say\-hello"])
    assert f'.SS "{full}"' in man.page()
    assert r"\fB\-\-whom\fR" in man.page()
    for shell in ("bash", "zsh"):
        assert "say-hello" in completion.script(shell)


ITEM = """
from seacod.proving.checks.item import ok


def moon(context):
    return ok("it shines", "月亮很亮")


ITEMS = (moon,)
"""


def test_an_item_of_the_checklist_in_one_file_is_everywhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "sky.py").write_text(ITEM)
    monkeypatch.setattr(items, "__path__", [*items.__path__, str(tmp_path)])
    monkeypatch.setenv("LC_ALL", "C")
    with pytest.raises(SystemExit) as ended:
        main(["check", "moon"])
    assert ended.value.code == 0
    assert "it shines" in capsys.readouterr().out
    assert " moon)" in completion.script("bash").replace("'", "")
    with pytest.raises(SystemExit):
        main(["check", "sun"])
    assert capsys.readouterr().err.rstrip().endswith(", moon")


def test_whoever_types_one_command_imports_no_other() -> None:
    code = (
        "import sys; from seacod.cli.parser import make_parser; make_parser(sys.argv[1]); "
        "print(*sys.modules)"
    )
    loaded = subprocess.run(
        [sys.executable, "-c", code, "run"], check=True, capture_output=True, text=True
    ).stdout.split()
    assert "seacod.cli.run" in loaded
    assert not {"seacod.cli.status", "seacod.cli.bench", "seacod.proving"} & set(loaded)


def test_an_unknown_command_is_told_which_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["chekc"])
    assert ended.value.code == 2
    assert "'check'" in capsys.readouterr().err
