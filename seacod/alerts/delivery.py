"""Sends what waits in the outbox: one task a channel, one message at a time, again and again until
it is taken or too old. Delivered at least once: a crash between sending and writing that down sends
it again. Whatever one channel meets is its own: the others go on.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import sqlite3
import time
from collections.abc import Callable

import anyio
import structlog

from seacod.alerts import attempt
from seacod.alerts.alert import Message
from seacod.alerts.channels.base import Undelivered
from seacod.alerts.channels.registry import all_channels, configured
from seacod.alerts.compose import compose
from seacod.alerts.outbox import Outbox, now
from seacod.config.in_use import SettingsInUse
from seacod.system.text.words import Words

log = structlog.get_logger(__name__)

_LOOK_SECONDS = 1.0
_FIRST_RETRY_SECONDS = 10.0
_MAX_RETRY_SECONDS = 300.0
_SYNC_SECONDS = 5.0
_HELD_SECONDS = 60.0


class Delivery:
    """Empties the outbox.

    Args:
        outbox: shared with the deduplicator; all use is on the event loop.
        settings: those in use.
        on_trouble: told when a channel needs an operator: its name and what was said; and None when
            it works again.
        touch: proof of life.
        random_: for pauses.
        clock: Unix seconds; it may be set back and forth.
    """

    def __init__(
        self,
        outbox: Outbox,
        settings: SettingsInUse,
        *,
        on_trouble: Callable[[str, Words | None], None],
        touch: Callable[[], None],
        random_: random.Random | None = None,
        clock: Callable[[], float] = now,
    ) -> None:
        self._outbox = outbox
        self._settings = settings
        self._on_trouble = on_trouble
        self._touch = touch
        self._random = random_ or random.Random()
        self._clock = clock
        self._wake = asyncio.Event()
        # Channels for which something may wait; asking the file each second would cost more than
        # everything else an idle supervisor does.
        self._busy = set(all_channels())
        # What a channel has taken and the disk has not, with its answer: it is not sent twice. And
        # until when a channel whose outbox cannot be written sends nothing more.
        self._taken: dict[str, dict[int, str]] = {name: {} for name in all_channels()}
        self._held_until = dict.fromkeys(all_channels(), 0.0)
        self.delivered: dict[str, int] = dict.fromkeys(all_channels(), 0)
        self.failed: dict[str, int] = dict.fromkeys(all_channels(), 0)

    def wake(self) -> None:
        """Something new waits."""
        self._busy = set(all_channels())
        self._wake.set()

    def resume(self) -> None:
        """The outbox can be written to again: nothing is held back."""
        self._held_until = dict.fromkeys(all_channels(), 0.0)
        self.wake()

    async def run(self) -> None:
        """Deliver until cancelled."""
        async with anyio.create_task_group() as tasks:
            for name in all_channels():
                tasks.start_soon(self._channel, name, name=f"deliver-{name}")
            tasks.start_soon(self._sync, name="outbox-sync")

    async def last_try(self, timeout_seconds: float) -> None:
        """Before the service ends: send what can be sent within the time; the rest waits."""
        with anyio.move_on_after(timeout_seconds):
            async with anyio.create_task_group() as tasks:
                for name in all_channels():
                    tasks.start_soon(self._try, name, True)

    async def _channel(self, name: str) -> None:
        while True:
            self._touch()
            if name in self._busy and time.monotonic() >= self._held_until[name]:
                await self._try(name, False)
            await asyncio.sleep(_LOOK_SECONDS)

    async def _try(self, name: str, is_last: bool) -> None:
        try:
            await self._deliver(name, is_last)
        except sqlite3.Error as error:
            if not self._outbox.refused(error):
                return
            # Who has got it, or is to be left alone for a while, cannot be written down.
            self._held_until[name] = time.monotonic() + _HELD_SECONDS
            log.error("outbox_failed", channel=name, error=str(error), again_seconds=_HELD_SECONDS)
        except Exception:
            # What waits is tried again; the other channels never hear of it.
            log.exception("delivery_broke", channel=name)

    async def _sync(self) -> None:
        """Bring what was written to the disk itself, off the event loop."""
        while True:
            try:
                await asyncio.wait_for(self._wake.wait(), 60.0)
                self._wake.clear()
            except asyncio.TimeoutError:
                continue
            try:
                await asyncio.to_thread(self._outbox.sync)
            except sqlite3.Error as error:
                if self._outbox.failed(error):
                    log.warning("outbox_not_synced", error=str(error))
            await asyncio.sleep(_SYNC_SECONDS)

    async def _deliver(self, name: str, is_last: bool) -> None:
        """Everything that waits for one channel, as one message."""
        with contextlib.suppress(sqlite3.Error):
            self._keep_taken(name)
        due = self._outbox.next_due(name)
        if due is None:
            self._busy.discard(name)
            return
        settings = self._settings.current.alerts
        ahead = due - self._clock()
        # Further ahead than anything is put off: the clock was set back, and it is due.
        longest = max(_MAX_RETRY_SECONDS, settings.gather_seconds)
        if 0 < ahead <= longest and not is_last:
            return
        messages = [one for one in self._outbox.waiting(name) if one.id not in self._taken[name]]
        if not messages:
            self._held_until[name] = time.monotonic() + _HELD_SECONDS
            return
        ids = [message.id for message in messages]
        channel = configured(settings).get(name)
        if channel is None:
            self._outbox.given_up(ids, self._clock(), "the channel is not configured any more")
            return
        try:
            with self._outbox.sending(ids):
                answer = await attempt.send(channel, compose(messages, settings), messages)
        except Undelivered as error:
            self._not_taken(name, messages, error)
            return
        self.delivered[name] += 1
        log.info("alert_delivered", channel=name, alerts=len(messages), answer=answer)
        self._on_trouble(name, None)
        self._taken[name] |= dict.fromkeys(ids, answer)
        self._keep_taken(name)

    def _keep_taken(self, name: str) -> None:
        """
        Raises:
            sqlite3.Error: it cannot be written down; it is kept here until it can.
        """
        taken = self._taken[name]
        for answer in {*taken.values()}:
            ids = [number for number, said in taken.items() if said == answer]
            self._outbox.delivered(ids, self._clock(), answer)
        self._taken[name] = {}

    def _not_taken(self, name: str, messages: list[Message], error: Undelivered) -> None:
        self.failed[name] += 1
        oldest = min(message.made_at for message in messages)
        retry_seconds = self._settings.current.alerts.retry_hours * 3600
        # Also what is refused for good is kept for that long: an operator can mend an address.
        # And a clock that is set ahead makes nothing old: so long takes that many tries, too.
        least_attempts = retry_seconds / _MAX_RETRY_SECONDS
        old = [
            m.id
            for m in messages
            if self._clock() - m.made_at > retry_seconds and m.attempts >= least_attempts
        ]
        rest = [m.id for m in messages if m.id not in set(old)]
        attempts = max(message.attempts for message in messages)
        step = min(_MAX_RETRY_SECONDS, _FIRST_RETRY_SECONDS * 2.0 ** min(attempts, 20))
        step = _MAX_RETRY_SECONDS if error.is_final else step
        pause = step * self._random.uniform(0.5, 1.0)
        log.warning(
            "alert_not_delivered", channel=name, alerts=len(messages), answer=error.answer,
            given_up=len(old), next_try_seconds=round(pause, 1) if rest else None,
            waiting_seconds=round(self._clock() - oldest, 1),
        )  # fmt: skip
        if error.reached:
            self._outbox.reached(messages, error.reached)
        if old:
            self._outbox.given_up(old, self._clock(), error.answer)
        self._outbox.put_off(rest, self._clock() + pause, error.answer)
        if error.is_ours:
            self._on_trouble(name, (error.answer, error.chinese))
