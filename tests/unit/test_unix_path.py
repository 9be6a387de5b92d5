"""A unix socket of ours whose path was removed: the one in its place, here and with systemd."""

from __future__ import annotations

import asyncio
import collections
import contextlib
import os
import socket
from pathlib import Path

from seacod.config.schema import Settings
from seacod.supervisor.sockets.acquire import wanted
from seacod.supervisor.sockets.binding import bind
from seacod.supervisor.sockets.listener import Listener
from seacod.supervisor.sockets.unix_path import UnixPath


class SystemdStore:
    """Keeps what it is given beside what it has under the same name, as systemd does
    (sd_pid_notify_with_fds(3), FDSTORE=1): the descriptors of the files behind them."""

    is_there = True

    def __init__(self) -> None:
        self.kept: dict[str, list[int]] = collections.defaultdict(list)

    def keep(self, name: str, kept: socket.socket) -> None:
        self.kept[name].append(os.stat(kept.fileno()).st_ino)

    def forget(self, name: str) -> None:
        self.kept.pop(name, None)


def test_systemd_keeps_the_socket_that_is_reached_and_not_the_lost_one(tmp_path: Path) -> None:
    path = tmp_path / "http.sock"
    settings = Settings.model_validate({"server": {"listen": str(path)}})
    place = next(one for one in wanted(settings) if str(path) in str(one.address))
    store, listening = SystemdStore(), bind(place.address, place.settings)
    with contextlib.closing(listening):
        store.keep(place.name, listening)
        one = UnixPath(Listener(listening, True), place, store, contextlib.nullcontext)
        lost = os.stat(listening.fileno()).st_ino
        path.unlink()
        assert not one.is_there()
        asyncio.run(one.remake())
        assert one.is_there()
        now = os.stat(listening.fileno()).st_ino
        assert now != lost
        assert store.kept == {place.name: [now]}
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(path))
