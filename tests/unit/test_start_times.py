"""What is said of a start that goes on: the rest of it, as starts were measured here."""

from __future__ import annotations

from pathlib import Path

import pytest

from seacod.supervisor.workers.start_times import StartTimes


def test_before_any_was_measured_it_is_an_estimate(tmp_path: Path) -> None:
    times = StartTimes(tmp_path / "starts.json", "it")
    assert [times.rest("load", elapsed) for elapsed in (0.0, 10.0)] == [20.0, 10.0]


def test_the_next_service_knows_what_this_one_has_measured(tmp_path: Path) -> None:
    file = tmp_path / "starts.json"
    StartTimes(file, "big").note("load", 90.0)
    StartTimes(file, "small").note("load", 4.0)
    assert StartTimes(file, "big").rest("load", 30.0) == 60.0
    assert StartTimes(file, "small").rest("load") == 4.0
    assert StartTimes(file, "another").rest("load") == 20.0


def test_a_start_that_is_late_does_not_say_a_second_for_minutes() -> None:
    times = StartTimes()
    assert times.rest("load", 21.0) == 1.0
    assert times.rest("load", 60.0) == 40.0


@pytest.mark.parametrize("content", ["", "{ broken", "[1]", '{"it": 3}', '{"it": {"load": "x"}}'])
def test_a_file_that_is_broken_is_none(tmp_path: Path, content: str) -> None:
    file = tmp_path / "starts.json"
    file.write_text(content)
    times = StartTimes(file, "it")
    assert times.rest("load") == 20.0
    times.note("load", 7.0)
    assert StartTimes(file, "it").rest("load") == 7.0


def test_a_file_that_cannot_be_written_harms_nobody(tmp_path: Path) -> None:
    times = StartTimes(tmp_path / "nowhere" / "starts.json", "it")
    times.note("load", 7.0)
    assert times.rest("load") == 7.0
