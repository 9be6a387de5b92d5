"""The fixture `address`: of each database that jobs can lie in; empty for the embedded one."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from postgres import PASSWORD, Postgres


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """One server for all tests here."""
    # pytest's own directories are closed to PostgreSQL's user.
    above = Path(tempfile.mkdtemp(prefix="seacod-postgres-"))
    above.chmod(0o755)
    directory = above / "server"
    directory.mkdir()
    try:
        with Postgres(directory) as server:
            yield server
    finally:
        shutil.rmtree(above, ignore_errors=True)


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.full)])
def address(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "sqlite":
        return ""
    # As libpq takes it; test_two_nodes.py gives it as an operator does.
    monkeypatch.setenv("PGPASSWORD", PASSWORD)
    server: Postgres = request.getfixturevalue("postgres")
    return server.fresh()
