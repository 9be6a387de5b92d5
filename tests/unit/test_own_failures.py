"""What is told of failures that are our own: a disk, a setting, descriptors."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from in_use import in_use

from seacod.asr.decoder.births import DecoderBirths, NurseryLost
from seacod.asr.decoder.nursery import BORN
from seacod.errors import ConfigError, NotReady, SeacodError, StoredByNewer
from seacod.jobs.gate import JobsGate
from seacod.web.middleware.errors import storage_full


@pytest.mark.parametrize(
    ("number", "name", "expected"),
    [
        (errno.ENOSPC, None, True),
        (errno.EROFS, "upload-1", True),
        # The directory of the uploads was taken away, or is a file.
        (errno.ENOENT, "gone/upload-1", True),
        (errno.ENOTDIR, "file/upload-1", True),
        # Something that was to be read is missing, or closed.
        (errno.ENOENT, "upload-1", False),
        (errno.EACCES, "file", False),
        (errno.ENOENT, None, False),
        (errno.EIO, "upload-1", False),
    ],
)
def test_what_cannot_be_written_is_told_apart_from_what_cannot_be_read(
    tmp_path: Path, number: int, name: str | None, *, expected: bool
) -> None:
    (tmp_path / "file").touch()
    place = None if name is None else str(tmp_path / name)
    error = OSError(number, os.strerror(number), place)
    assert (storage_full(error) is not None) is expected


def test_a_directory_that_is_closed_takes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    place = str(tmp_path / "upload-1")
    assert storage_full(PermissionError(errno.EACCES, "Permission denied", place)) is not None


@pytest.mark.parametrize(
    ("refusal", "expected"),
    [
        (ConfigError("results.database: no such driver", "驱动不存在"), NotReady),
        (StoredByNewer.of("jobs", 9, 1), StoredByNewer),
    ],
)
def test_jobs_that_cannot_be_opened_are_no_fault_of_the_program(
    refusal: SeacodError, expected: type[SeacodError]
) -> None:
    jobs = SimpleNamespace(refusal=refusal, is_open=False)
    gate = JobsGate(in_use(), cast(Any, jobs))
    with pytest.raises(expected) as refused:
        gate.open()
    assert refused.value.http_status == 503
    assert (refused.value.message, refused.value.chinese) == (refusal.message, refusal.chinese)


def test_a_worker_out_of_descriptors_loses_its_nursery_and_not_itself() -> None:
    """The kernel drops a descriptor for which there is no number left."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    tasks, answers = socket.socketpair()

    async def ask() -> None:
        births = DecoderBirths(ours)
        theirs.send(b"%s %d" % (BORN, os.getpid()))
        with pytest.raises(NurseryLost, match="no descriptor is left"):
            await births._ask(tasks, answers)
        assert births._connection is None
        await births.close()

    with theirs, tasks, answers:
        asyncio.run(ask())
