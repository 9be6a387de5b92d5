"""The path of a unix socket of server.listen, which somebody may remove while the service runs:
then nobody finds the service there. `runtime_upkeep.py` looks at it, and has another socket put in
place of the one that is lost; workers get that by being replaced. Made by `daemon.py`.
"""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

from seacod.errors import CannotWrite
from seacod.supervisor.sockets.acquire import DescriptorStore, WantedAddress
from seacod.supervisor.sockets.binding import bind
from seacod.supervisor.sockets.listener import Listener, Listeners
from seacod.system.files.file_identity import identity


class UnixPath:
    """
    Args:
        listener: of a unix socket.
        wanted: what in the settings says so; None where a socket unit does.
        store: where systemd keeps it.
        suspended: the supervisor itself accepts nothing during the block.
    """

    def __init__(
        self,
        listener: Listener,
        wanted: WantedAddress | None,
        store: DescriptorStore,
        suspended: Callable[[], AbstractContextManager[None]],
    ) -> None:
        self.path = Path(listener.address)
        self._listener = listener
        self._wanted = wanted
        self._store = store
        self._suspended = suspended
        self._made = identity(self.path)

    def is_there(self) -> bool:
        """Whether who connects there reaches us."""
        return self._made is not None and identity(self.path) == self._made

    async def remake(self) -> None:
        """Listen there anew, on the same descriptor: whoever is forked from now on gets it.

        Raises:
            CannotWrite: it is a socket unit's, and systemd's to make.
            AddressInUse, AddressNotThere, ConfigError: it cannot be made.
        """
        if self._wanted is None or self._listener.is_from_unit:
            raise CannotWrite(
                f"{self.path}: a socket unit of systemd listens there, and only that can do it "
                "anew (systemctl list-sockets names it; systemctl restart it and seacod)",
                f"{self.path}：由 systemd 套接字单元监听，只能由其重新创建（用 systemctl "
                "list-sockets 查看并重启该单元与 seacod）",
            )
        fresh = bind(self._wanted.address, self._wanted.settings)
        old = self._listener.socket
        with self._suspended(), contextlib.closing(fresh):
            os.dup2(fresh.fileno(), old.fileno(), inheritable=False)
        self._store.forget(self._wanted.name)
        self._store.keep(self._wanted.name, old)
        self._made = identity(self.path)


def unix_paths(
    listeners: Listeners,
    places: Sequence[WantedAddress],
    store: DescriptorStore,
    suspended: Callable[[], AbstractContextManager[None]],
) -> list[UnixPath]:
    """The paths of a service's unix sockets.

    Args:
        listeners: all of its sockets.
        places: the addresses in the settings.
        store: where systemd keeps them.
        suspended: see `UnixPath`.
    """
    return [
        UnixPath(one, next((place for place in places if place.is_at(one.socket)), None), store,
                 suspended)
        for _, one in listeners.all()
        if one.socket.family == socket.AF_UNIX
    ]  # fmt: skip
