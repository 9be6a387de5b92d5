"""The list of deliberate faults (tests/mutants/): each still fits the product, and names tests that
are there. That the tests notice them is seen by `./tests/run --mutants`."""

from __future__ import annotations

import subprocess
from collections import Counter
from dataclasses import replace

import pytest
from mutating import page, trial
from mutating.faults import Fault, problems, read
from mutating.trial import Outcome, Verdict

FOLDERS = {
    "supervisor", "asr", "jobs", "alerts", "config", "web", "metrics", "archive", "cli", "system",
}  # fmt: skip


@pytest.fixture(scope="module")
def listed() -> list[Fault]:
    return read()


def test_every_fault_can_be_put_in_and_names_its_tests(listed: list[Fault]) -> None:
    assert problems(listed) == []


def test_there_are_many(listed: list[Fault]) -> None:
    count = Counter(fault.folder for fault in listed)
    assert set(count) <= FOLDERS
    assert count.total() >= 200


def test_what_is_wrong_with_a_fault_is_said(listed: list[Fault]) -> None:
    fault = listed[0]
    for wrong, words in (
        (replace(fault, old="no such text"), "occurs 0 times"),
        (replace(fault, new=fault.old), "changes nothing"),
        (replace(fault, new="("), "does not parse"),
        (replace(fault, tests=()), "names no test"),
        (replace(fault, tests=("tests/unit/none.py",)), "there is no tests/unit/none.py"),
        (replace(fault, tests=("tests/unit/test_exits.py::test_x",)), "there is no test test_x"),
        (replace(fault, file="seacod/none.py"), "there is no seacod/none.py"),
    ):
        assert words in "\n".join(problems([wrong])), words
    assert "stands there 2 times" in "\n".join(problems([fault, fault]))


def test_the_page_counts_by_folder_and_names_what_survived(listed: list[Fault]) -> None:
    one, two = replace(listed[0], folder="a"), replace(listed[1], folder="b", survives="a reason")
    table = page.table(
        [Outcome(one, Verdict.CAUGHT, 1.0, ""), Outcome(two, Verdict.SURVIVED, 1.0, "")]
    )
    assert "| a | 1 | 1 | 100 % |" in table
    assert "| b | 1 | 0 | 0 % |" in table
    assert "| **all** | 2 | 1 | 50 % |" in table
    assert f"- b: {two.name} (a reason)" in table


def test_a_trial_that_is_ended_has_noticed_nothing(listed: list[Fault]) -> None:
    with subprocess.Popen(["sleep", "600"], start_new_session=True) as endless:
        status, _ = trial._wait(endless.pid, 0.0)
    assert trial._VERDICTS[status] is Verdict.LATE
    assert "| **all** | 1 | 0 | 0 % |" in page.table([Outcome(listed[0], Verdict.LATE, 1.0, "")])
