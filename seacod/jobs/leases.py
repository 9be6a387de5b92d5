"""Which owners of job files are alive: known by locks on one machine, by leases among several."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Collection
from pathlib import Path
from typing import Protocol

from sqlalchemy import Engine, func, select
from sqlalchemy.dialects.postgresql import insert

from seacod.jobs.database import owners

# Renewed every few seconds; a machine that cannot reach the database for so long has lost its files
# to the others, and what it finishes after that is not taken.
LEASE_SECONDS = 30.0


class Ownership(Protocol):
    """Who owns files of jobs, by name. Every call blocks."""

    def own(self, owner: str) -> None:
        """Be an owner from now on, until `release` or the end of the process."""

    def release(self, owner: str) -> None: ...

    def renew(self) -> None:
        """Say that the owners of this process are still here."""

    def living(self, names: Collection[str], blamed: Collection[str]) -> set[str]:
        """Which of these owners are alive; `blamed` ones were seen to crash."""

    def close(self) -> None: ...


class FileLocks:
    """An owner lives as long as it holds a lock on its file, which the kernel takes away however
    the process ends.

    Args:
        directory: for the lock files; made if it is missing.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        directory.mkdir(exist_ok=True)
        self._locks: dict[str, int] = {}

    def own(self, owner: str) -> None:
        lock = os.open(self._directory / owner, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        fcntl.flock(lock, fcntl.LOCK_EX)
        self._locks[owner] = lock

    def release(self, owner: str) -> None:
        os.close(self._locks.pop(owner))
        (self._directory / owner).unlink(missing_ok=True)

    def renew(self) -> None:
        """Nothing to do: the kernel keeps the locks."""

    def living(self, names: Collection[str], blamed: Collection[str]) -> set[str]:
        # The kernel knows; a pid that was blamed may be another process by now.
        return {owner for owner in names if self._is_alive(owner)}

    def _is_alive(self, owner: str) -> bool:
        if owner in self._locks:
            return True
        try:
            lock = os.open(self._directory / owner, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            return False
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        else:
            (self._directory / owner).unlink(missing_ok=True)
            return False
        finally:
            os.close(lock)

    def close(self) -> None:
        for owner in tuple(self._locks):
            self.release(owner)


class Leases:
    """An owner lives as long as it was seen lately, by the clock of the database.

    Args:
        database: shared with the other machines.
    """

    def __init__(self, database: Engine) -> None:
        self._database = database
        self._mine: set[str] = set()

    def own(self, owner: str) -> None:
        self._mine.add(owner)
        self.renew()

    def release(self, owner: str) -> None:
        self._mine.discard(owner)
        with self._database.begin() as connection:
            connection.execute(owners.delete().where(owners.c.owner == owner))

    def renew(self) -> None:
        now = func.extract("epoch", func.clock_timestamp())
        with self._database.begin() as connection:
            for owner in tuple(self._mine):
                fresh = insert(owners).values(owner=owner, seen=now)
                connection.execute(
                    fresh.on_conflict_do_update(index_elements=["owner"], set_={"seen": now})
                )
            # Of those that have gone, the files are taken back long before this.
            # Also those that the clock, set back meanwhile, has left in the future.
            age = func.abs(now - owners.c.seen)
            connection.execute(owners.delete().where(age > 100 * LEASE_SECONDS))

    def living(self, names: Collection[str], blamed: Collection[str]) -> set[str]:
        asked = [owner for owner in names if owner not in self._mine and owner not in blamed]
        alive = self._mine.intersection(names)
        if asked:
            age = func.abs(func.extract("epoch", func.clock_timestamp()) - owners.c.seen)
            fresh = select(owners.c.owner).where(owners.c.owner.in_(asked), age < LEASE_SECONDS)
            with self._database.begin() as connection:
                alive |= set(connection.execute(fresh).scalars())
        return alive

    def close(self) -> None:
        for owner in tuple(self._mine):
            self.release(owner)
