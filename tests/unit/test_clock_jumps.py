"""By how much what is stored looks older than it is, on a machine whose clock is set."""

from __future__ import annotations

from pathlib import Path

import pytest
from simulated_clock import Machine

HOUR = 3600.0
DAY = 24 * HOUR


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


@pytest.mark.parametrize("process_begins", ["before", "after"])
def test_what_is_young_stays_when_the_clock_is_set_ahead(
    machine: Machine, process_begins: str
) -> None:
    """And grows old as it would have: also for a process that begins after the clock was set."""
    clock = machine.process()
    made_at = machine.wall
    machine.passes(2 * DAY)
    machine.wall += 400 * DAY
    if process_begins == "after":
        clock = machine.process()

    def age() -> float:
        clock.look()
        return (machine.wall - made_at - clock.looks_older_by(7 * DAY)) / DAY

    assert age() == pytest.approx(2, abs=0.1)
    machine.passes(4.9 * DAY)
    assert age() < 7
    machine.passes(0.2 * DAY)
    assert age() > 7, "whatever was there before is really as old as that now"


def test_a_clock_that_is_put_right_again_was_never_wrong(machine: Machine) -> None:
    clock = machine.process()
    machine.wall += 400 * DAY
    clock.look()
    assert clock.looks_older_by(7 * DAY) == pytest.approx(400 * DAY)
    machine.passes(HOUR)
    machine.wall -= 400 * DAY
    clock.look()
    assert clock.looks_older_by(7 * DAY) == 0
    # As it lies in the file.
    assert machine.process().looks_older_by(7 * DAY) == 0


def test_a_clock_that_begins_wrong_makes_nothing_old_when_it_is_put_right(
    machine: Machine,
) -> None:
    machine.process()
    machine.is_off(-30 * DAY)
    clock = machine.process()
    made_at = machine.wall
    machine.passes(HOUR)
    machine.wall += 30 * DAY
    clock.look()
    looks = machine.wall - made_at
    assert looks - clock.looks_older_by(7 * DAY) == pytest.approx(HOUR, abs=120)


def test_the_time_in_which_the_machine_was_off_makes_nothing_old(machine: Machine) -> None:
    """Nobody knows how long that was: its clock may be wrong since."""
    machine.process()
    machine.is_off(30 * DAY)
    assert machine.process().looks_older_by(7 * DAY) == pytest.approx(30 * DAY)
    machine.passes(8 * DAY)
    assert machine.process().looks_older_by(7 * DAY) == 0


@pytest.mark.parametrize("begins_at", [0.0, 946_684_800.0, 1_700_000_000.0])
def test_a_machine_that_boots_at_1970_each_day_deletes_what_is_old(
    machine: Machine, begins_at: float
) -> None:
    """And a minute later somebody sets its clock: no jump of decades makes everything young."""
    clock = machine.process()
    made_at = machine.wall
    for _ in range(20):
        right = machine.wall + HOUR
        machine.is_off(HOUR)
        machine.wall = begins_at
        clock = machine.process()
        machine.passes(60)
        clock.look()
        machine.wall = right
        clock.look()
        for _ in range(23):
            machine.passes(HOUR)
            clock.look()
    # It was off for an hour a day, which alone makes nothing old.
    assert clock.looks_older_by(7 * DAY) <= 8 * HOUR
    assert machine.wall - made_at - clock.looks_older_by(7 * DAY) > 19 * DAY
    assert machine.process().looks_older_by(7 * DAY) <= 8 * HOUR


def test_two_processes_count_a_jump_once(machine: Machine) -> None:
    one, other = machine.process(), machine.process()
    machine.wall += 10 * DAY
    one.look()
    other.look()
    for clock in (one, other, machine.process()):
        assert clock.looks_older_by(7 * DAY) == pytest.approx(10 * DAY)


def test_a_clock_that_is_kept_right_by_little_is_not_set(machine: Machine) -> None:
    clock = machine.process()
    for _ in range(100):
        machine.passes(HOUR)
        machine.wall += 2
        clock.look()
    assert clock.looks_older_by(7 * DAY) == 0


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"boot": 1}', b"\xff"])
def test_a_file_that_cannot_be_read_is_none(machine: Machine, content: bytes) -> None:
    (machine.path / "clock.json").write_bytes(content)
    clock = machine.process()
    machine.wall += DAY
    clock.look()
    assert clock.looks_older_by(7 * DAY) == pytest.approx(DAY)


def test_what_cannot_be_written_is_known_by_the_process(machine: Machine) -> None:
    machine.path = machine.path / "a-file"
    machine.path.write_text("")
    clock = machine.process()
    machine.wall += DAY
    clock.look()
    assert clock.looks_older_by(7 * DAY) == pytest.approx(DAY)
