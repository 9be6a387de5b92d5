"""Logins of people as one thing: `middleware/access.py` asks it who somebody is, `routes/login.py`
logs them in and out. One for a worker."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import structlog

from seacod.config.access import AccessSettings, entries
from seacod.errors import QueueFull, TooManyLogins
from seacod.web.logins.attempts import AttemptRefused, LoginAttempts
from seacod.web.logins.passwords import Passwords
from seacod.web.logins.sessions import Sessions

log = structlog.get_logger(__name__)

LoginResult = Literal["right", "wrong", "too_many", "busy"]
# So many wrong ones wait for their slower answer; more are answered at once.
_MOST_PAUSING = 64


class Logins:
    """
    Args:
        settings: who may log in, and for how long.
        directory: where sessions lie.
        count: told what became of each try.
    """

    def __init__(
        self, settings: AccessSettings, directory: Path, count: Callable[[LoginResult], None]
    ) -> None:
        self._users = dict(entries(settings.users))
        self._count = count
        self._attempts = LoginAttempts()
        self._passwords = Passwords()
        self._pausing = 0
        self._told_at = 0.0
        self.session_seconds = settings.session_hours * 3600
        self.sessions = Sessions(directory, self._users, self.session_seconds)
        # Since the start: wrong passwords, and tries that were refused after too many of them.
        self.wrong = 0

    @property
    def is_used(self) -> bool:
        """Whether anybody may log in at all."""
        return bool(self._users)

    async def is_right(self, name: str, password: str, address: str) -> bool:
        """Whether somebody is who they say.

        Args:
            name: who they say.
            password: what is to prove it.
            address: where they are.

        Raises:
            TooManyLogins: after too many wrong passwords.
            QueueFull: too many log in at this moment.
        """
        known = self._users.get(name)
        remembered = self._passwords.remembered(name, password, known)
        if remembered:
            return True
        attempt = self._attempts.begin(address, name, time.monotonic())
        if isinstance(attempt, AttemptRefused):
            self._note("too_many", name, address)
            seconds = math.ceil(attempt.retry_after_seconds)
            raise TooManyLogins(
                f"too many wrong passwords from here or for this name; try again in {seconds} s",
                f"密码错误次数过多，请 {seconds} 秒后再试",
                retry_after_seconds=seconds,
            )
        if remembered is None:
            try:
                is_right = await self._passwords.is_right(name, password, known)
            except QueueFull:
                self._attempts.was_not_made(attempt)
                self._count("busy")
                raise
        else:
            is_right = False
        if is_right:
            self._attempts.was_right(attempt)
            self._count("right")
            log.info("logged_in", name=name, address=address)
            return True
        self._note("wrong", name, address)
        if self._pausing < _MOST_PAUSING:
            self._pausing += 1
            try:
                await asyncio.sleep(attempt.pause_seconds)
            finally:
                self._pausing -= 1
        return False

    def close(self) -> None:
        """The worker ends."""
        self._passwords.close()

    def _note(self, result: LoginResult, name: str, address: str) -> None:
        self.wrong += 1
        self._count(result)
        # A flood is a line a second.
        now = time.monotonic()
        if result == "too_many" and now - self._told_at < 1.0:
            return
        self._told_at = now
        # People type their password where their name belongs.
        shown = name if name in self._users else "(unknown)"
        log.warning("login_refused", result=result, name=shown, address=address)
