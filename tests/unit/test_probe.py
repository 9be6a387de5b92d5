"""Whom the supervisor asks whether a worker answers."""

from __future__ import annotations

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from seacod.config.schema import Settings
from seacod.paths import Paths
from seacod.supervisor.replica import Replica
from seacod.supervisor.settings import SettingsHolder
from seacod.supervisor.systemd.heartbeats import TaskHeartbeats
from seacod.supervisor.workers.lifecycle import Lifecycle
from seacod.supervisor.workers.probe import probe_forever
from seacod.system.net.listen_address import ReachableAddress


@pytest.mark.parametrize(("count", "is_well"), [(1, True), (2, False)])
def test_of_several_workers_each_is_asked_for_itself(
    tmp_path: Path, *, count: int, is_well: bool
) -> None:
    """At the service's sockets somebody answers; at the worker's own nobody ever does."""

    async def answers(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        writer.close()

    async def keeps_silent(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await reader.read()

    async def story() -> None:
        settings = SettingsHolder(
            Settings.model_validate({
                "paths": {"state_directory": tmp_path / "state", "runtime_directory": tmp_path},
                "supervisor": {"probe_interval_seconds": 1, "probe_timeout_seconds": 1},
            }),
            Settings,
        )  # fmt: skip
        told: list[Any] = []
        seen = asyncio.Event()

        def put(event: Any) -> None:
            told.append(event.problem)
            seen.set()

        life = SimpleNamespace(
            replica=Replica(0, count), slot="worker1", events=SimpleNamespace(put=put)
        )
        own = Paths.resolve(settings.current).worker_socket("worker1")
        async with (
            await asyncio.start_unix_server(answers, tmp_path / "shared"),
            await asyncio.start_unix_server(keeps_silent, own),
        ):
            probing = asyncio.ensure_future(
                probe_forever(
                    cast(Lifecycle, life),
                    [ReachableAddress.unix(str(tmp_path / "shared"))],
                    settings,
                    TaskHeartbeats(lambda: 0.0),
                )
            )  # fmt: skip
            await asyncio.wait_for(seen.wait(), 60)
            probing.cancel()
            await asyncio.wait({probing})
        assert (told[0] is None) is is_well

    asyncio.run(story())
