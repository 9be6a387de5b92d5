"""Who used what, and quotas: the ledger is a real file, the clock is turned by hand."""

from __future__ import annotations

import argparse
import asyncio
import datetime
import json
import sqlite3
from pathlib import Path

import pytest
from simulated_clock import Clock

from seacod.cli import usage
from seacod.config.access import AccessSettings
from seacod.errors import BadRequest, QuotaUsed, StoredByNewer
from seacod.usage.ledger import MOST_CLIENTS_A_DAY, OTHERS, UsageLedger, Use
from seacod.usage.meter import UsageMeter

DAY = "2026-11-26"
AFTER = "2026-11-30"


class Days:
    """A day to turn."""

    day = DAY

    def __call__(self) -> str:
        return self.day


@pytest.fixture
def ledger(tmp_path: Path) -> UsageLedger:
    return UsageLedger(tmp_path / "usage.sqlite3")


def test_what_was_used_is_there_after_a_restart_and_summed_by_client(ledger: UsageLedger) -> None:
    ledger.add("2026-11-25", [Use("key:a", 2, 1, 60.0), Use("10.0.0.1", 1, 0, 5.0)])
    ledger.add(DAY, [Use("key:a", 1, 0, 30.0)])
    again = UsageLedger(ledger.path)
    assert again.by_client("2026-11-25") == [Use("key:a", 3, 1, 90.0), Use("10.0.0.1", 1, 0, 5.0)]
    assert again.by_client(DAY) == [Use("key:a", 1, 0, 30.0)]
    assert again.by_client("2026-11-24", "2026-11-24") == []


def test_addresses_without_number_are_one_line_and_names_never(ledger: UsageLedger) -> None:
    ledger.add(DAY, [Use(f"10.1.{n >> 8}.{n & 255}", 1) for n in range(MOST_CLIENTS_A_DAY + 50)])
    ledger.add(DAY, [Use("key:late", 1), Use("10.1.0.0", 1)])
    found = {use.client: use.requests for use in ledger.by_client(DAY)}
    assert len(found) == MOST_CLIENTS_A_DAY + 2
    assert (found[OTHERS], found["key:late"], found["10.1.0.0"]) == (50, 1, 2)


def test_what_is_older_than_a_year_goes(ledger: UsageLedger) -> None:
    ledger.add("2025-10-01", [Use("a", 1)])
    ledger.add("2025-10-30", [Use("b", 1)])
    ledger.add(DAY, [Use("c", 1)])
    # The clock may be wrong; a day after this one it is not.
    assert {use.client for use in ledger.by_client("2000-01-01")} == {"a", "b", "c"}
    ledger.add(AFTER, [Use("c", 1)])
    assert {use.client for use in ledger.by_client("2000-01-01")} == {"b", "c"}


def test_a_clock_that_is_years_ahead_for_a_moment_costs_no_figures(ledger: UsageLedger) -> None:
    ledger.add(DAY, [Use("a", 1)])
    ledger.add("2099-01-01", [Use("a", 1)])
    ledger.add(DAY, [Use("a", 1)])
    assert ledger.by_client(DAY, DAY)[0].requests == 2


def test_a_ledger_of_a_newer_version_is_named_and_left_as_it_is(ledger: UsageLedger) -> None:
    ledger.add(DAY, [Use("a", 1)])
    with sqlite3.connect(ledger.path) as database:
        database.execute("PRAGMA user_version = 99")
    before = ledger.path.read_bytes()
    with pytest.raises(StoredByNewer, match=r"format 99, this one knows 1"):
        ledger.add(DAY, [Use("a", 1)])
    assert ledger.path.read_bytes() == before


def meter(ledger: UsageLedger, quotas: str, replicas: int = 1) -> tuple[UsageMeter, Clock, Days]:
    clock, days = Clock(), Days()
    one = UsageMeter(ledger, replicas, clock=clock.monotonic, day=days)
    one.limit(quotas)
    return one, clock, days


def refusal(one: UsageMeter, client: str) -> QuotaUsed | None:
    try:
        one.admit(client)
    except QuotaUsed as error:
        return error
    return None


def test_requests_a_minute_are_those_of_the_last_sixty_seconds(ledger: UsageLedger) -> None:
    one, clock, _ = meter(ledger, "a:requests_per_minute=3")
    for _ in range(3):
        assert refusal(one, "key:a") is None
        clock.now += 10.0
    error = refusal(one, "key:a")
    assert error is not None
    assert error.retry_after_seconds == 30
    assert "3 requests a minute" in error.message
    # Who has no quota is not asked; a user of this name is the same person as the key.
    assert refusal(one, "key:b") is None
    assert refusal(one, "10.0.0.1") is None
    clock.now += 29.9
    assert refusal(one, "key:a") is not None
    clock.now += 0.1
    assert refusal(one, "key:a") is None
    assert refusal(one, "key:a") is not None


def test_each_worker_allows_its_share(ledger: UsageLedger) -> None:
    one, _, _ = meter(ledger, "*:requests_per_minute=5", replicas=2)
    assert [refusal(one, "10.0.0.1") is None for _ in range(4)] == [True, True, True, False]
    # Each address by itself.
    assert refusal(one, "10.0.0.2") is None


def test_hours_of_a_day_count_what_all_workers_have_heard(ledger: UsageLedger) -> None:
    one, _, days = meter(ledger, "a:audio_hours_per_day=1")
    other, _, _ = meter(ledger, "")

    async def work() -> None:
        one.count("key:a", 1799.0, True)
        other.count("key:a", 1800.0, True)
        await other.write()
        await one.write()
        assert refusal(one, "key:a") is None
        one.count("key:a", 1.0, True)

    asyncio.run(work())
    error = refusal(one, "key:a")
    assert error is not None
    assert error.retry_after_seconds is not None
    assert 1 <= error.retry_after_seconds <= 90_000  # a day with a change of clocks has 25 h
    days.day = "2026-11-27"
    assert refusal(one, "key:a") is None


def test_what_cannot_be_written_now_is_written_later(ledger: UsageLedger) -> None:
    one, _, _ = meter(ledger, "")
    ledger.path.mkdir()  # no file can be there

    async def work() -> None:
        one.count("key:a", 10.0, True)
        await one.write()
        one.count("key:a", 5.0, False)
        ledger.path.rmdir()
        await one.write()
        await one.write()

    asyncio.run(work())
    assert ledger.by_client(DAY) == [Use("key:a", 2, 1, 15.0)]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("a", "'a' is no quota; one looks like"),
        ("a:hours=3", "'a:hours=3' is no quota"),
        ("a:requests_per_minute=", "is no quota"),
        ("a:requests_per_minute=-1", "is no quota"),
        ("a:requests_per_minute=0", "a limit must be above 0"),
        ("a:requests_per_minute=1 a:requests_per_minute=2", "'a' is there twice"),
    ],
)
def test_a_quota_that_is_none_is_a_sentence(given: str, words: str) -> None:
    with pytest.raises(ValueError, match="Value error") as found:
        AccessSettings(quotas=given)
    assert words in str(found.value)


def test_a_week_is_seven_days_today_included(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[str] = []

    def read(path: Path, since: str) -> list[Use]:
        asked.append(since)
        return []

    class Today(datetime.date):
        @classmethod
        def today(cls) -> Today:
            return cls(2026, 11, 26)

    monkeypatch.setattr(usage, "_read", read)
    monkeypatch.setattr(usage.datetime, "date", Today)
    options = argparse.Namespace(since="7d", config=None, json=True, csv=False)
    assert usage.run(options) == 0
    assert json.loads(capsys.readouterr().out)["since"] == asked[0] == "2026-11-20"
    options.since = "999999d"
    with pytest.raises(BadRequest, match="that is too long ago for the calendar"):
        usage.run(options)
