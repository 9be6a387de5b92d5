"""What beats say becomes an alert when it lasts, or is much, and ends when it is over."""

from __future__ import annotations

from typing import Any

from seacod.alerts.rules import TrafficFinding, TrafficRules
from seacod.config.alerts import AlertSettings
from seacod.protocol import Beat

SETTINGS = AlertSettings(wrong_logins=20)


def told(rules: TrafficRules, now: float, wrong: int, pid: int = 1) -> list[TrafficFinding]:
    beat = Beat(0, 0, 0.0, 0.0, wrong_logins=wrong)
    found = rules.beat(now, pid, beat, 20, SETTINGS)
    return [one for one in found if one.kind == "logins" and (one.has_begun or not one.is_first)]


def test_many_wrong_passwords_are_told_once_and_so_is_their_end() -> None:
    rules = TrafficRules()
    assert not told(rules, 0, 19)
    (begun,) = told(rules, 60, 25)
    assert begun.has_begun and "25 logins within 10 min" in begun.english
    assert not told(rules, 120, 300)
    # One alone within the ten minutes, far below the limit, and still one: it goes on.
    assert not told(rules, 721, 301)
    (ended,) = told(rules, 1322, 301)
    assert not ended.has_begun


def test_a_few_now_and_then_are_nothing() -> None:
    rules = TrafficRules()
    assert not any(told(rules, 100.0 * hour, 2 * hour) for hour in range(50))


def test_another_worker_counts_anew_and_what_the_last_one_saw_stays() -> None:
    rules = TrafficRules()
    assert not told(rules, 0, 15)
    assert not told(rules, 10, 4, pid=2)
    assert told(rules, 20, 6, pid=2)


def test_switched_off_it_says_nothing() -> None:
    rules = TrafficRules()
    settings = AlertSettings(wrong_logins=0)
    found = rules.beat(0, 1, Beat(0, 0, 0.0, 0.0, wrong_logins=10_000), 20, settings)
    assert not any(one.has_begun for one in found)


def crowded(rules: TrafficRules, now: float, *, is_crowded: bool) -> list[bool]:
    beat = Beat(0, 0, 0.0, 0.0, is_crowded=is_crowded)
    told = rules.beat(now, 1, beat, 20, SETTINGS)
    return [one.has_begun for one in told if one.kind == "crowded" and not one.is_first]


def test_connections_without_room_are_told_when_it_lasts_a_minute() -> None:
    rules = TrafficRules()
    assert not crowded(rules, 0, is_crowded=True)
    assert not crowded(rules, 30, is_crowded=False)
    assert not crowded(rules, 40, is_crowded=True)
    assert not crowded(rules, 99, is_crowded=True)
    assert crowded(rules, 100, is_crowded=True) == [True]
    assert not crowded(rules, 500, is_crowded=True)
    assert crowded(rules, 501, is_crowded=False) == [False]


def over(rules: TrafficRules, now: float, **beat: Any) -> set[str]:
    """What is said to be over of which nothing was said before."""
    beats = {"in_flight": 0, "queue_depth": 0, "progress_age_seconds": 0.0, "lag": 0.0}
    found = rules.beat(now, 1, Beat(*{**beats, **beat}.values()), 20, SETTINGS)
    return {one.kind for one in found if not one.has_begun and one.is_first}


def test_what_is_seen_not_to_be_there_is_said_once_since_another_supervisor_may_have_told() -> None:
    rules = TrafficRules()
    assert over(rules, 0) == {"queue_full", "crowded", "stalled"}
    assert not over(rules, 299)
    # Over these times nothing could be said before they have passed.
    assert over(rules, 300) == {"error_rate"}
    assert over(rules, 600) == {"logins"}
    assert not over(rules, 1200)


def test_what_is_still_there_is_not_said_to_be_over_because_it_has_to_last() -> None:
    rules = TrafficRules()
    assert "queue_full" not in over(rules, 0, queue_depth=20)
    assert "queue_full" not in over(rules, 59, queue_depth=20)
    full = Beat(0, 20, 0.0, 0.0)
    assert [one.kind for one in rules.beat(60, 1, full, 20, SETTINGS)] == ["queue_full"]
