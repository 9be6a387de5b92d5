"""Takes back the files of owners that live no more, and sets aside what keeps ending workers.

Called by the store, on its thread.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

import structlog
from sqlalchemy import Engine, select

from seacod.jobs import records
from seacod.jobs.database import files
from seacod.jobs.leases import Ownership
from seacod.jobs.model import (
    CRASHES_ARE_POISON,
    INTERRUPTIONS_ARE_POISON,
    FileState,
    JobFile,
)

log = structlog.get_logger(__name__)


class Recovery:
    """
    Args:
        database: where files and their owners are written down.
        ownership: knows who lives.
        node: the beginning of the names of this machine's owners.
    """

    def __init__(self, database: Engine, ownership: Ownership, node: str) -> None:
        self._database = database
        self._ownership = ownership
        self._node = node
        # When an owner was first seen to be gone, on the monotonic clock.
        self._gone: dict[str, float] = {}

    def take_back(self, blamed_pids: Sequence[int], grace_seconds: float) -> int:
        """Take back what belongs to owners that live no more.

        Args:
            blamed_pids: processes of this machine that crashed by themselves, as the supervisor saw
                it; an owner's name begins with its pid.
            grace_seconds: an owner that is gone for less, and not blamed, is left alone: word of
                how it ended may be on its way.

        Returns:
            How many files were taken back.
        """
        blamed = {f"{self._node}{pid}" for pid in blamed_pids}
        running = files.c.state == "running"
        with self._database.begin() as connection:
            found = connection.execute(select(files.c.owner).where(running).distinct()).scalars()
            present = [str(owner) for owner in found]
        crashed = {owner for owner in present if owner.rpartition("-")[0] in blamed}
        count = 0
        for owner in sorted(set(present) - self._ownership.living(present, crashed)):
            is_blamed = owner in crashed
            now = time.monotonic()
            if not is_blamed and now - self._gone.setdefault(owner, now) < grace_seconds:
                continue
            self._gone.pop(owner, None)
            theirs = select(*records.FILE).where(running, files.c.owner == owner)
            with self._database.begin() as connection:
                rows = connection.execute(theirs).all()
            for file in map(records.file, rows):
                count += self._take_back_one(owner, file, is_blamed=is_blamed)
        return count

    def _take_back_one(self, owner: str, file: JobFile, *, is_blamed: bool) -> bool:
        with self._database.begin() as connection:
            records.lock(connection, file.job)
            present = records.owned(connection, owner, file)
            if present is None:
                return False  # another one was quicker
            crashes = file.crashes + is_blamed
            interruptions = file.interruptions + (not is_blamed)
            counts = {"crashes": crashes, "interruptions": interruptions, "owner": None}
            if crashes < CRASHES_ARE_POISON and interruptions < INTERRUPTIONS_ARE_POISON:
                records.move(connection, file, FileState.WAITING, **counts)
                log.warning(
                    "file_taken_back", job=file.job, number=file.number, name=file.name,
                    cause="the worker crashed" if is_blamed else "the worker was interrupted",
                    crashes=crashes, interruptions=interruptions, owner=owner,
                )  # fmt: skip
                return True
            times = crashes if crashes >= CRASHES_ARE_POISON else interruptions
            records.move(
                connection, file, FileState.POISON, finished=time.time(), error_code="poison",
                error=f"the worker ended {times} times while it worked on this recording; it is "
                "set aside, and the other recordings go on",
                error_zh=f"处理该录音时识别进程 {times} 次异常退出，已将其搁置，其余文件继续处理",
                **counts,
            )  # fmt: skip
            log.error("file_is_poison", job=file.job, number=file.number, name=file.name)
            records.finish_job(connection, file.job)
        return True
