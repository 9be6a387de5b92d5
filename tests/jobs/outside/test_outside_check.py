"""The checklist tries the place of recordings outside and names what stands in the way."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from object_store import ObjectStore
from outside_node import directory
from postgres import Postgres

from seacod.jobs.opening import open_store
from seacod.jobs.outside.places import RecordingPlaces, read_access
from seacod.proving.checks.context import CheckContext
from seacod.proving.checks.item import Finding, Status
from seacod.proving.checks.items.batches import jobs as check_jobs

pytestmark = [pytest.mark.full, pytest.mark.timeout(600)]


def found(tmp_path: Path, address: str, root: str, access: Mapping[str, str]) -> Finding:
    """What the checklist says."""
    config, password, lines = tmp_path / "seacod.yaml", tmp_path / "password", tmp_path / "access"
    password.write_text("a secret")
    lines.write_text("".join(f"{name}={value}\n" for name, value in access.items()) or "#\n")
    for file in (password, lines):
        file.chmod(0o600)
    config.write_text(
        f"paths: {{state_directory: {tmp_path}}}\n"
        f"results: {{database: '{address}', database_password_file: {password}, "
        f"recordings: '{root}', recordings_access_file: {lines}}}\n"
    )
    return check_jobs(CheckContext(config, None, False))


def test_the_checklist_tries_the_place_and_names_what_stands_in_the_way(
    postgres: Postgres, shared: str, objects: ObjectStore, place: Any, tmp_path: Path
) -> None:
    told = found(tmp_path, shared, place.root, place.access)
    assert told.status is Status.OK, told
    assert place.root in told.seen[0]
    assert place.names() == []
    if place.access:
        told = found(tmp_path, shared, place.root, objects.reader)
        assert "refuses these credentials" in told.seen[0]
    nowhere = "s3://none" if place.access else f"{place.root}-none"
    told = found(tmp_path, shared, nowhere, place.access)
    assert told.status is Status.FAIL
    # Used by others.
    other = postgres.fresh()
    with contextlib.closing(open_store(tmp_path / "other", other)) as store:
        reserved = store.reserve(place.root, "job", [1])
        RecordingPlaces(lambda: read_access(None, place.access)).mark(place.root, reserved.identity)
        store.place_is_marked(place.root)
    assert found(tmp_path, other, place.root, place.access).status is Status.OK
    told = found(tmp_path, shared, place.root, place.access)
    assert told.status is Status.FAIL
    assert "another database" in told.seen[0]


def test_the_checklist_sees_that_the_unit_of_the_service_leaves_a_directory_closed(
    shared: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As systemd would answer, which is not everywhere where tests run."""
    place = directory(tmp_path / "place")
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")

    def unit(open_paths: str, load: str = "loaded") -> Finding:
        command = tmp_path / "bin/systemctl"
        command.write_text(
            f"#!/bin/sh\ncase $3 in LoadState) echo {load};; ProtectSystem) echo strict;;\n"
            f"ReadWritePaths) echo '{open_paths}';; esac\n"
        )
        command.chmod(0o755)
        return found(tmp_path / "state", shared, place.root, {})

    (tmp_path / "state").mkdir()
    told = unit("-/var/lib/other /mnt")
    assert told.status is Status.FAIL
    assert "ReadWritePaths=" in told.seen[0]
    for fine in (unit(place.root), unit(f"-{tmp_path} /mnt"), unit("", "not-found")):
        assert fine.status is Status.OK, fine
