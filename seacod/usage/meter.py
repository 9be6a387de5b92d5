"""What the clients of one worker use: kept here, added to the ledger every few seconds, and held
against their quotas.

The ledger is written on a thread; nothing here waits for it. What a worker has counted since it
last wrote is lost when it is killed: five seconds of figures, and no request.
"""

from __future__ import annotations

import asyncio
import collections
import contextlib
import datetime
import math
import sqlite3
import time
from collections.abc import Callable

import structlog

from seacod.config import quotas
from seacod.config.quotas import Quota
from seacod.errors import QuotaUsed, SeacodError
from seacod.system.processes.threads import on_thread
from seacod.usage.ledger import OTHERS, UsageLedger, Use, today

log = structlog.get_logger(__name__)

WRITE_SECONDS = 5.0
# Clients between two writes; more of them are one, as in the ledger.
_MOST_CLIENTS = 10_000
_MINUTE = 60.0


class UsageMeter:
    """
    Args:
        ledger: shared by the workers of this machine.
        replicas: workers among whom connections are spread; each allows its share a minute.
        clock: seconds, monotonic.
        day: the day now.
    """

    def __init__(
        self,
        ledger: UsageLedger,
        replicas: int = 1,
        *,
        clock: Callable[[], float] = time.monotonic,
        day: Callable[[], str] = today,
    ) -> None:
        self._ledger = ledger
        self._replicas = replicas
        self._clock = clock
        self._day = day
        self._quotas: dict[str, Quota] = {}
        self._has_audio_quota = False
        # Not written yet, by day and client.
        self._fresh: dict[str, dict[str, Use]] = collections.defaultdict(dict)
        # Seconds of audio today, by all workers, as of the last write.
        self._written: tuple[str, dict[str, float]] = ("", {})
        self._lately: dict[str, collections.deque[float]] = {}
        self._is_troubled = False

    def limit(self, text: str) -> None:
        """access.quotas, from now on."""
        self._quotas = quotas.parse(text)
        self._has_audio_quota = any(
            quota.audio_hours_per_day is not None for quota in self._quotas.values()
        )

    def count(self, client: str, audio_seconds: float, has_text: bool) -> None:
        """A request has ended."""
        day = self._fresh[self._day()]
        name = client if client in day or len(day) < _MOST_CLIENTS else OTHERS
        day[name] = day.get(name, Use(name)) + Use(name, 1, not has_text, audio_seconds)

    def admit(self, client: str) -> None:
        """Whether a client may send one more recording; it counts as one.

        Raises:
            QuotaUsed: with the time after which to come back.
        """
        quota = quotas.of(client, self._quotas)
        if quota.audio_hours_per_day is not None:
            self._check_audio(client, quota.audio_hours_per_day)
        if quota.requests_per_minute is not None:
            self._check_rate(client, quota.requests_per_minute)

    def _check_audio(self, client: str, hours: float) -> None:
        day = self._day()
        written = self._written[1].get(client, 0.0) if self._written[0] == day else 0.0
        fresh = self._fresh[day].get(client)
        used = written + (fresh.audio_seconds if fresh is not None else 0.0)
        if used >= hours * 3600:
            raise QuotaUsed(
                f"your quota of {hours:g} hours of audio a day is used up; it begins anew at "
                "midnight",
                f"您今日的音频时长配额（{hours:g} 小时）已用完，零点后恢复",
                retry_after_seconds=_until_midnight(),
            )

    def _check_rate(self, client: str, a_minute: float) -> None:
        share = max(1, math.ceil(a_minute / self._replicas))
        now = self._clock()
        lately = self._lately.setdefault(client, collections.deque())
        while lately and now - lately[0] >= _MINUTE:
            lately.popleft()
        if len(lately) >= share:
            wait = max(1, math.ceil(_MINUTE - (now - lately[0])))
            raise QuotaUsed(
                f"your quota of {a_minute:g} requests a minute is used up; try again in {wait} s",
                f"您每分钟的请求配额（{a_minute:g} 次）已用完，请 {wait} 秒后重试",
                retry_after_seconds=wait,
            )
        lately.append(now)

    async def run(self) -> None:
        """Write every few seconds, until canceled."""
        while True:
            await self.write()
            await asyncio.sleep(WRITE_SECONDS)

    async def write(self) -> None:
        """Bring what was counted to the ledger, and take from it what others have counted today.
        What cannot be written stays for the next time."""
        self._forget_idle()
        # What others have counted matters to quotas of audio alone.
        if not any(self._fresh.values()) and not self._has_audio_quota:
            return
        fresh, self._fresh = self._fresh, collections.defaultdict(dict)
        day = self._day()

        def exchange() -> dict[str, float]:
            for its_day in list(fresh):
                if fresh[its_day]:
                    self._ledger.add(its_day, fresh[its_day].values())
                del fresh[its_day]
            return {use.client: use.audio_seconds for use in self._ledger.by_client(day, day)}

        try:
            self._written = (day, await on_thread("seacod-usage", exchange))
            self._is_troubled = False
        except (sqlite3.Error, OSError, SeacodError) as error:
            for its_day, uses in fresh.items():
                for use in uses.values():
                    kept = self._fresh[its_day].get(use.client, Use(use.client))
                    self._fresh[its_day][use.client] = kept + use
            if not self._is_troubled:
                log.warning("usage_not_written", cause=str(error))
            self._is_troubled = True

    def _forget_idle(self) -> None:
        now = self._clock()
        for client in [c for c, at in self._lately.items() if not at or now - at[-1] >= _MINUTE]:
            del self._lately[client]


def _until_midnight() -> int:
    """Seconds to the end of the day by this machine's calendar."""
    now = datetime.datetime.now().astimezone()
    morrow = now.date() + datetime.timedelta(days=1)
    with contextlib.suppress(OverflowError):
        midnight = datetime.datetime.combine(morrow, datetime.time()).astimezone()
        return max(1, math.ceil((midnight - now).total_seconds()))
    return 86_400
