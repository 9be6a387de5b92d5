"""What is shown to whoever waits for a bench: only at a terminal, and gone when it is over."""

from __future__ import annotations

import io
import time
from types import SimpleNamespace

import pytest
from supervised import PATIENCE_SECONDS

from seacod.proving import progress
from seacod.proving.progress import busy_with, telling


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    one = Terminal()
    # pytest puts its own in place of sys.stderr for each phase of a test.
    monkeypatch.setattr(progress, "sys", SimpleNamespace(stderr=one))
    monkeypatch.setattr(progress, "_TOLD_SECONDS", 0.01)
    monkeypatch.setenv("LC_ALL", "en_US.UTF-8")
    return one


def test_a_block_that_takes_long_is_shown_and_wiped_away(terminal: Terminal) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    with busy_with("killing the worker 3 times", "终止识别进程 3 次"):
        while "killing the worker 3 times" not in terminal.getvalue():
            assert time.monotonic() < deadline
            time.sleep(0.01)
    assert terminal.getvalue().endswith("\r")


def test_in_the_readers_language(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LC_ALL", "zh_CN.UTF-8")
    with telling() as tell:
        tell("")
    assert "正在启动" in terminal.getvalue()


def test_where_nobody_watches_nothing_is_written(capsys: pytest.CaptureFixture[str]) -> None:
    with busy_with("work", "工作"), telling() as tell:
        tell("more")
    assert capsys.readouterr().err == ""


def test_what_a_block_raises_goes_on_its_way(terminal: Terminal) -> None:
    with pytest.raises(ZeroDivisionError), busy_with("work", "工作"):
        raise ZeroDivisionError
