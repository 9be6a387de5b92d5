"""Whether a password is right, on one thread of its own behind a short queue.

scrypt is slow on purpose: strangers who try passwords cost one core at most, and nobody who comes
with a key or a session waits for them. What was found out is remembered for a while, as a keyed
hash that says nothing to anybody else.
"""

from __future__ import annotations

import asyncio
import hashlib
import secrets
import time
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor

from seacod.errors import QueueFull
from seacod.system.credentials import hash_password, is_password

# At 50 ms each the last one waits for less than a second.
_MOST_WAITING = 16
_REMEMBERED = 256
_RIGHT_SECONDS = 600.0
_WRONG_SECONDS = 60.0
_LONGEST_PASSWORD_BYTES = 1024
_NOBODY = hash_password("", b"nobody")


class Passwords:
    """Looks at passwords, one after the other."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="seacod-login")
        self._secret = secrets.token_bytes(32)
        self._waiting = 0
        # By mark: whether it was right, and until when that is believed.
        self._found: OrderedDict[bytes, tuple[bool, float]] = OrderedDict()

    def remembered(self, name: str, password: str, known: str | None) -> bool | None:
        """Whether it is right, if that was found out a short while ago; None if it was not."""
        found = self._found.get(self._mark(name, password, known))
        return found[0] if found is not None and found[1] > time.monotonic() else None

    async def is_right(self, name: str, password: str, known: str | None) -> bool:
        """Whether this is the password.

        Args:
            name: of who says so.
            password: as it was given.
            known: the hash it belongs to; None for somebody unknown, who costs the same time.

        Raises:
            QueueFull: too many wait to be looked at.
        """
        if len(password.encode("utf-8", "surrogatepass")) > _LONGEST_PASSWORD_BYTES:
            return False
        if self._waiting >= _MOST_WAITING:
            raise QueueFull(
                "too many people log in at this moment; try again in a few seconds",
                "当前登录人数过多，请稍后重试",
                retry_after_seconds=2,
            )
        self._waiting += 1
        try:
            is_right = await asyncio.get_running_loop().run_in_executor(
                self._thread, is_password, password, known or _NOBODY
            )
        finally:
            self._waiting -= 1
        is_right = is_right and known is not None
        until = time.monotonic() + (_RIGHT_SECONDS if is_right else _WRONG_SECONDS)
        self._found[self._mark(name, password, known)] = (is_right, until)
        while len(self._found) > _REMEMBERED:
            # Those that are wrong first: strangers must not push out who is let in.
            wrong = (mark for mark, (was_right, _) in self._found.items() if not was_right)
            del self._found[next(wrong, next(iter(self._found)))]
        return is_right

    def close(self) -> None:
        """Nobody asks any more."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _mark(self, name: str, password: str, known: str | None) -> bytes:
        given = f"{known}\0{name}\0{password}".encode("utf-8", "surrogatepass")
        return hashlib.blake2b(given, key=self._secret, digest_size=32).digest()
