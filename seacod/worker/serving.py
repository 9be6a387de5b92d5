"""uvicorn on sockets of ours: its protocol and lifespan, our accepting and our signals."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import uvicorn

from seacod.shared_load import SharedLoad
from seacod.worker.acceptor import Acceptor, unix_socket

# Answers of a neighbour that would come so many requests earlier are worth a new connection.
_MUCH_LESS = 2


class Server(uvicorn.Server):
    """uvicorn without its listening and its signal handlers.

    Args:
        config: uvicorn's.
        listening: the shared socket, which stays open when the server ends.
        shared_load: of the neighbours that accept on it, too; None without any.
        own: where it answers beside that, for the supervisor's probe; None without neighbours.
    """

    def __init__(
        self,
        config: uvicorn.Config,
        listening: socket.socket,
        shared_load: SharedLoad | None,
        own: Path | None,
    ) -> None:
        super().__init__(config)
        self._listening = listening
        self._shared_load = shared_load
        self._own = own
        self._own_socket: socket.socket | None = None
        self._acceptors: list[Acceptor] = []
        self._is_stopped = False

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals are ours."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        # None of uvicorn's own: it would accept whole bursts, and lose some at its end.
        await super().startup(sockets=[])
        if self.should_exit:
            return
        shared = Acceptor(
            self._listening,
            self._protocol,
            is_crowded=self._is_crowded,
            is_my_turn=self._is_my_turn,
        )
        self._acceptors = [shared]
        if self._own is not None:
            self._own_socket = unix_socket(self._own)
            self._acceptors.append(Acceptor(self._own_socket, self._protocol))
        if not self._is_stopped:
            for acceptor in self._acceptors:
                acceptor.start()

    async def stop_accepting(self) -> None:
        """What was accepted is served; the neighbours go on accepting."""
        # The drain may come before the start-up is through.
        self._is_stopped = True
        if self._shared_load is not None:
            self._shared_load.leave()
        for acceptor in self._acceptors:
            await acceptor.stop()
        if self._own_socket is not None and self._own is not None:
            self._own_socket.close()
            self._own.unlink(missing_ok=True)

    def _protocol(self) -> Any:
        return self.config.http_protocol_class(  # type: ignore[call-arg]
            config=self.config, server_state=self.server_state, app_state=self.lifespan.state
        )

    def _is_crowded(self) -> bool:
        return self._shared_load is not None and bool(self._shared_load.others())

    def _is_my_turn(self) -> bool:
        assert self._shared_load is not None
        return self._shared_load.mine.active <= self._shared_load.least_active()


def is_better_elsewhere(shared_load: SharedLoad) -> bool:
    """Whether a neighbour has much less to do: a client that comes back should find that one."""
    return shared_load.mine.active >= shared_load.least_active() + _MUCH_LESS
