"""What the tests of recordings outside share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from object_store import ObjectStore
from outside_node import directory, in_objects
from postgres import Postgres

from seacod.jobs import runner
from seacod.jobs.outside import moving, places


@pytest.fixture(scope="module")
def objects(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ObjectStore]:
    one = ObjectStore(tmp_path_factory.mktemp("moto") / "log")
    try:
        one.make_bucket("batches")
        one.hold_to_account()
        yield one
    finally:
        one.stop()


@pytest.fixture
def shared(postgres: Postgres, monkeypatch: pytest.MonkeyPatch) -> str:
    """The address of an empty database."""
    monkeypatch.setenv("PGPASSWORD", "a secret")
    return postgres.fresh()


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for what comes round again."""
    monkeypatch.setattr(runner, "_LOOK_SECONDS", 0.05)
    monkeypatch.setattr(moving, "_TIDY_SECONDS", 0.1)
    monkeypatch.setattr(places, "_RETRY_SECONDS", 1.0)


@pytest.fixture(params=["directory", "s3"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> SimpleNamespace:
    """Its `root`, what is needed to get there (`access`), and what lies there (`names()`)."""
    if request.param == "directory":
        return directory(tmp_path / "place")
    store: ObjectStore = request.getfixturevalue("objects")
    return in_objects(store, store.access, f"s3://batches/{tmp_path.name}")
