"""Who is logged in at the page: one small file for each session, in the state directory.

A session is a random token in the browser's cookie; its file is named by the token's hash, so that
whoever reads the directory can log in as nobody. All workers of a machine share them, and they
outlive workers and restarts. A session ends when its time is over, when its user logs out, and when
the user's password is changed or taken out of the configuration.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import secrets
import time
from dataclasses import dataclass
from pathlib import Path

# Of one machine; the oldest make room.
_MOST = 10_000
# A clock that is set by so much ends nobody's session.
_CLOCK_SECONDS = 3600.0
_MOST_OF_USER = 100
_TOKEN = re.compile(r"[A-Za-z0-9_-]{43}")


@dataclass(frozen=True, slots=True)
class _Session:
    """What is in a file. `entry` is a hash of the user's entry in the configuration."""

    name: str
    entry: str
    until: float


class Sessions:
    """The sessions of one service.

    Args:
        directory: where they lie; made when the first one begins.
        users: name and hash of each user.
        seconds: how long a session lasts.
    """

    def __init__(self, directory: Path, users: dict[str, str], seconds: float) -> None:
        self._directory = directory
        self._users = users
        self._seconds = seconds

    def begin(self, name: str) -> str:
        """Log somebody in; returns the token.

        Raises:
            OSError: there is no room on the disk.
        """
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._sweep(name)
        token = secrets.token_urlsafe(32)
        session = {"name": name, "entry": self._entry(name), "until": time.time() + self._seconds}
        file = self._file(token)
        part = file.with_suffix(".part")
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as opened:
            json.dump(session, opened)
        part.rename(file)
        return token

    def name(self, token: str) -> str | None:
        """Who has this token; None when nobody does any more."""
        if not _TOKEN.fullmatch(token):
            return None
        session = _read(self._file(token))
        now = time.time()
        if session is None or session.until <= now:
            return None
        if session.until > now + self._seconds + _CLOCK_SECONDS:
            # Begun while the clock was ahead: it would last for as much longer.
            return None
        is_same = session.name in self._users and session.entry == self._entry(session.name)
        return session.name if is_same else None

    def end(self, token: str) -> None:
        """Log out; nothing happens to a session that is over."""
        if _TOKEN.fullmatch(token):
            self._file(token).unlink(missing_ok=True)

    def _file(self, token: str) -> Path:
        return self._directory / hashlib.sha256(token.encode()).hexdigest()

    def _entry(self, name: str) -> str:
        return hashlib.sha256(self._users[name].encode()).hexdigest()

    def _sweep(self, name: str) -> None:
        """Remove what is over, and the oldest of too many."""
        now = time.time()
        left: list[tuple[float, str, Path]] = []
        for file in self._directory.iterdir():
            session = _read(file)
            if session is None or session.until <= now:
                file.unlink(missing_ok=True)
            else:
                left.append((session.until, session.name, file))
        left.sort()
        own = [file for _, whose, file in left if whose == name]
        surplus = own[: max(0, len(own) - _MOST_OF_USER + 1)]
        surplus += [file for *_, file in left[: max(0, len(left) - _MOST + 1)]]
        for file in surplus:
            file.unlink(missing_ok=True)


def _read(file: Path) -> _Session | None:
    try:
        return _Session(**json.loads(file.read_text("utf-8")))
    except (OSError, ValueError, TypeError):
        return None
