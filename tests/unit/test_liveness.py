"""Who is hung and who is not, as arithmetic."""

from __future__ import annotations

from seacod.config.supervisor import SupervisorSettings
from seacod.protocol import Beat
from seacod.supervisor.workers.liveness import Ailment, Vitals, judge, own_pause

LIMITS = SupervisorSettings(beat_timeout_seconds=15, progress_timeout_seconds=300, probe_failures=3)


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def watched() -> tuple[Clock, Vitals]:
    clock = Clock()
    return clock, Vitals(clock)


def pass_time(clock: Clock, vitals: Vitals, seconds: int, beat: Beat | None) -> None:
    """Second by second, as the supervisor's loop goes; the beat's figures stay as they are."""
    for _ in range(seconds):
        clock.now += 1
        if beat is not None:
            vitals.beat(beat)


def test_an_idle_worker_is_never_hung() -> None:
    clock, vitals = watched()
    pass_time(clock, vitals, 100_000, Beat(0, 0, 0.0, 0.0))
    assert judge(vitals.seen(), LIMITS) is None


def test_a_long_recording_that_goes_on_is_never_hung() -> None:
    clock, vitals = watched()
    for _ in range(100):  # three hours with one request, a batch every minute
        pass_time(clock, vitals, 120, Beat(1, 0, 9999.0, 60.0))
        assert judge(vitals.seen(), LIMITS) is None


def test_a_worker_without_a_beat_is_hung() -> None:
    clock, vitals = watched()
    pass_time(clock, vitals, 15, None)
    assert judge(vitals.seen(), LIMITS) is None
    pass_time(clock, vitals, 1, None)
    assert judge(vitals.seen(), LIMITS) is Ailment.SILENT


def test_work_that_does_not_come_back_is_hung_though_the_loop_beats() -> None:
    clock, vitals = watched()
    for age in range(1, 300):
        pass_time(clock, vitals, 1, Beat(1, 3, float(age), float(age)))
        assert judge(vitals.seen(), LIMITS) is None
    pass_time(clock, vitals, 1, Beat(1, 3, 301.0, 301.0))
    assert judge(vitals.seen(), LIMITS) is Ailment.STUCK


def test_three_probes_in_a_row_not_two_and_one() -> None:
    _, vitals = watched()
    for problem in ("no answer", "no answer", None, "no answer", "no answer"):
        vitals.probed(problem)
        assert judge(vitals.seen(), LIMITS) is None
    vitals.probed("no answer")
    assert judge(vitals.seen(), LIMITS) is Ailment.UNREACHABLE


def test_a_supervisor_that_stood_still_blames_nobody() -> None:
    clock, vitals = watched()
    has_paused = own_pause(clock)
    vitals.probed("no answer")
    vitals.probed("no answer")
    clock.now += 1
    assert not has_paused()
    clock.now += 3600
    assert has_paused()
    vitals.begin()
    assert judge(vitals.seen(), LIMITS) is None
    vitals.probed("no answer")
    assert judge(vitals.seen(), LIMITS) is None
    pass_time(clock, vitals, 16, None)
    assert judge(vitals.seen(), LIMITS) is Ailment.SILENT


def test_a_new_worker_owes_nothing_of_the_old_one() -> None:
    clock, vitals = watched()
    pass_time(clock, vitals, 100, None)
    vitals.begin()
    assert judge(vitals.seen(), LIMITS) is None


def test_a_worker_that_says_it_is_crowded_owes_no_answer_but_its_beat() -> None:
    now = 0.0
    vitals = Vitals(lambda: now)
    vitals.beat(Beat(0, 0, 0.0, 0.0, is_crowded=True))
    for _ in range(10):
        vitals.probed("no answer within 10 s")
    assert judge(vitals.seen(), LIMITS) is None
    now += LIMITS.beat_timeout_seconds + 1
    assert judge(vitals.seen(), LIMITS) is Ailment.SILENT
    vitals.beat(Beat(0, 0, 0.0, 0.0))
    for _ in range(LIMITS.probe_failures):
        vitals.probed("no answer within 10 s")
    assert judge(vitals.seen(), LIMITS) is Ailment.UNREACHABLE
