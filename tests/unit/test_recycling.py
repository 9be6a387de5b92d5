"""When a working worker is replaced: its share, its age, its memory. Never without cause."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from seacod.config.worker import WorkerSettings
from seacod.supervisor.watch.recycling import LeakWatch, Point, Recycling

MIB = 1 << 20


def leak_of(sizes: list[int], step: int = 10) -> str | None:
    """What leaks, with these host sizes (MiB) after every `step` requests."""
    watch = LeakWatch()
    for index, size in enumerate(sizes):
        watch.add(Point(20 + index * step, size * MIB, 0))
    found = watch.found(1 * MIB, 512 * MIB)
    return found.what if found else None


def test_memory_that_grows_with_every_request_is_a_leak() -> None:
    assert leak_of([1000 + 30 * n for n in range(40)]) == "host"


def test_a_cache_that_fills_up_is_none() -> None:
    assert leak_of([min(1000 + 100 * n, 2500) for n in range(60)]) is None


def test_one_large_recording_is_none() -> None:
    sizes = [1000 + n % 3 for n in range(60)]
    sizes[30] = 5000
    assert leak_of(sizes) is None


def test_noise_and_slow_growth_are_none() -> None:
    draw = random.Random(1)
    assert leak_of([1000 + draw.randint(-200, 200) for _ in range(100)]) is None
    # Half a MiB a request: below the limit.
    assert leak_of([1000 + 5 * n for n in range(200)]) is None


def test_few_requests_are_no_trend() -> None:
    assert leak_of([1000 + 100 * n for n in range(20)], step=1) is None


def test_the_first_requests_of_a_worker_are_no_trend() -> None:
    """It fills its caches with them."""
    watch = LeakWatch()
    for n in range(1, 111, 5):
        watch.add(Point(n, (1000 + 30 * n) * MIB, 0))
        # Enough points and requests, were it not for the first twenty.
        assert watch.found(1 * MIB, 512 * MIB) is None
    watch.add(Point(130, 5000 * MIB, 0))
    assert watch.found(1 * MIB, 512 * MIB) is not None


def test_what_a_busy_worker_needs_is_no_leak() -> None:
    settings = WorkerSettings(leak_bytes_per_request=MIB, leak_min_growth_bytes=512 * MIB)
    grown = [Point(20 + n * 10, (1000 + 30 * n) * MIB, 0) for n in range(40)]
    for is_idle in (False, True):
        recycling = Recycling(random.Random(1))
        for second, point in enumerate(grown):
            recycling.look(second, 7, second, point, is_idle, settings)
        assert (recycling.leak is not None) is is_idle


def test_gpu_memory_counts_too() -> None:
    watch = LeakWatch()
    for n in range(40):
        watch.add(Point(20 + n * 10, 1000 * MIB, (500 + 40 * n) * MIB))
    found = watch.found(1 * MIB, 512 * MIB)
    assert found is not None
    assert found.what == "gpu"
    assert 3.9 * MIB < found.bytes_per_request < 4.1 * MIB
    assert watch.found(0, 512 * MIB) is None


def test_it_waits_for_a_quiet_moment_and_not_for_ever() -> None:
    settings = WorkerSettings(max_requests=100)
    recycling = Recycling(random.Random(1))
    point = Point(500, 1000 * MIB, 0)
    assert recycling.look(0, 7, 10, point, False, settings) is None
    assert recycling.look(100, 7, 110, point, False, settings) is None
    assert recycling.look(101, 7, 111, point, True, settings) is None
    assert "max_requests" in str(recycling.look(105, 7, 115, point, True, settings))
    # That did not help: not at once again.
    assert recycling.look(110, 7, 120, point, True, settings) is None
    assert recycling.look(800, 7, 700, point, True, settings) is not None
    # Never quiet: after an hour at any moment, since a drain loses nothing.
    busy = Recycling(random.Random(1))
    assert busy.look(0, 8, 10, point, False, settings) is None
    assert busy.look(3601, 8, 3611, point, False, settings) is not None


def test_a_new_worker_counts_anew_and_the_limits_are_spread() -> None:
    settings = WorkerSettings(max_age_seconds=1000)
    ages = set()
    for seed in range(20):
        recycling = Recycling(random.Random(seed))
        for age in range(0, 2000, 5):
            if recycling.look(age, 1, age, Point(0, 0, 0), True, settings):
                ages.add(age)
                break
    assert all(900 <= age <= 1110 for age in ages)
    assert len(ages) > 5


@given(st.lists(st.integers(0, 4000), max_size=80))
def test_switched_off_nothing_is_ever_replaced(sizes: list[int]) -> None:
    settings = WorkerSettings(leak_bytes_per_request=0)
    recycling = Recycling(random.Random(1))
    for n, size in enumerate(sizes):
        point = Point(n * 50, size * MIB, 0)
        assert recycling.look(n * 100.0, 1, n * 100.0, point, True, settings) is None
