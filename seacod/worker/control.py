"""The worker's end of the control channel: one JSON object a line (`seacod/protocol.py`).

Used by `worker/application.py` only, which decides what a message means.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import time
from collections.abc import Callable

import structlog

from seacod import protocol
from seacod.errors import EX_SOFTWARE, ProtocolError
from seacod.protocol import FromWorker, Message
from seacod.system.text.words import Words

log = structlog.get_logger(__name__)

_BEAT_SECONDS = 1.0
_FLUSH_SECONDS = 1.0


class ControlChannel:
    """Sends messages, and gives those that come to a handler.

    Args:
        connection: the inherited socket.
    """

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection

    async def open(self) -> None:
        """Begin to read; called on the event loop before anything else."""
        self._loop = asyncio.get_running_loop()
        self._reader, self._writer = await asyncio.open_connection(
            sock=self._connection, limit=protocol.MAX_LINE_BYTES
        )

    async def listen(self, obey: Callable[[Message], None]) -> None:
        """Hand each message to `obey`; end the process when the supervisor is gone."""
        while True:
            try:
                line = await self._reader.readline()
            except (ValueError, OSError):
                line = b""
            if not line:
                # Nobody would notice us, nobody would stop us.
                log.error("supervisor_gone")
                os._exit(EX_SOFTWARE)
            try:
                obey(protocol.decode(line))
            except ProtocolError as error:
                log.error("supervisor_sent_garbage", problem=error.message)

    async def beat(self, report: Callable[[float], protocol.Beat]) -> None:
        """Send a beat every second.

        Args:
            report: makes the beat; given how many seconds ago the one before was.
        """
        last = time.monotonic()
        while True:
            now = time.monotonic()
            since, last = now - last, now
            self.send(report(since))
            await asyncio.sleep(_BEAT_SECONDS)

    def send(self, message: FromWorker) -> None:
        self._writer.write(protocol.encode(message))

    def fault(self, kind: str, words: Words, *, is_over: bool = False) -> None:
        """Tell operators of something, or that it is over."""
        self.send(protocol.Fault(kind, words[0], None, words[1], is_over))

    def send_stage(self, words: Words, extend_seconds: float = 0.0) -> None:
        """Tell the supervisor what the start is busy with; may be called on any thread."""
        self._loop.call_soon_threadsafe(self.send, protocol.Stage(*words, extend_seconds))

    async def flush(self) -> None:
        """Send what is buffered, before the process ends."""
        with contextlib.suppress(OSError, asyncio.TimeoutError):
            await asyncio.wait_for(self._writer.drain(), _FLUSH_SECONDS)
