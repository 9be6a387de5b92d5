"""A batch of 50 files that several machines share, of which one after the other freezes at each
step of its work: the rest is done by the others, each file once, also when the frozen wake up."""

from __future__ import annotations

import contextlib
import os
import signal
from multiprocessing.process import BaseProcess
from pathlib import Path

import psutil
import pytest
import work_and_die
from postgres import PASSWORD, Postgres
from supervised import PATIENCE_SECONDS, wait_until
from test_job_durability import NOTE_ENDS, POINTS, PROCESSES, asked, opened, run

from seacod.jobs.opening import open_store

FILES = work_and_die.FILES
# Nobody waits here for what is begun and not gone on with as long as in earnest.
LIMITS = "-c idle_in_transaction_session_timeout=1000 -c lock_timeout=500"

pytestmark = [pytest.mark.full, pytest.mark.timeout(900)]


def is_frozen(process: BaseProcess) -> bool:
    assert process.exitcode is None, "it had nothing more to do"
    return psutil.Process(process.pid).status() == psutil.STATUS_STOPPED


def test_frozen_at_every_step_each_file_is_finished_once(
    postgres: Postgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGPASSWORD", PASSWORD)
    monkeypatch.setenv("PGOPTIONS", LIMITS)
    plain = postgres.fresh()
    address = f"{plain}?options={LIMITS.replace(' ', '%20').replace('=', '%3D')}"
    assert run(tmp_path / "accepting", 0, "accept", address) == 0
    database = opened(tmp_path, plain)
    with database.begin() as connection:
        for statement in NOTE_ENDS["postgresql"]:
            connection.exec_driver_sql(statement)
    frozen: list[BaseProcess] = []
    try:
        for point in range(1, POINTS + 1):
            process = PROCESSES.Process(
                target=work_and_die.run,
                args=(dict(os.environ), tmp_path / str(point), point, "work", address,
                      signal.SIGSTOP),
            )  # fmt: skip
            process.start()
            frozen.append(process)
            wait_until(lambda one=process: is_frozen(one), f"frozen at point {point}")  # type: ignore[misc]
        assert run(tmp_path / "healthy", 0, "work", address) == 0
        assert asked(database, "SELECT DISTINCT state, owner FROM files") == [("done", None)]
        for process in frozen:
            os.kill(process.pid or 0, signal.SIGCONT)
        for process in frozen:
            process.join(PATIENCE_SECONDS)
        assert {process.exitcode for process in frozen} == {0}
    finally:
        for process in frozen:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
    ends = asked(database, "SELECT number, count(*) FROM ends GROUP BY number ORDER BY number")
    assert ends == [(number, 1) for number in range(1, FILES + 1)]
    with contextlib.closing(open_store(tmp_path / "healthy", address)) as store:
        for file in store.get("job")[1]:
            assert store.blobs.read(file)["text"] == f"file {file.number}"
            assert not store.blobs.has(file)
    database.dispose()
