"""A microphone at a running service, over its WebSocket (docs/api.md has the messages). Opened by
`AsyncClient.live`."""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from seacod.client.calls import understood
from seacod.client.failures import BrokenOff, Unreachable, refusal
from seacod.formats import full_json
from seacod.system.text.words import reason
from seacod.transcript import Segment, Transcript

if TYPE_CHECKING:
    from websockets.asyncio.client import ClientConnection


@dataclass(frozen=True, slots=True)
class Partial:
    """What is being said, as far as it can be heard; it will change."""

    text: str


@dataclass(frozen=True, slots=True)
class Final:
    """Sentences that stay; sound before `settled_seconds` is needed no more."""

    segments: tuple[Segment, ...]
    settled_seconds: float


@dataclass(frozen=True, slots=True)
class Done:
    """The whole transcript; `limit_reached`: the recording was as long as it may be."""

    transcript: Transcript
    limit_reached: bool


LiveEvent = Partial | Final | Done


class LiveSession:
    """A microphone that is open. One task may send while another reads.

    Args:
        socket: connected.
        silence_seconds: a connection on which nothing comes for so long is broken.
    """

    def __init__(self, socket: ClientConnection, silence_seconds: float) -> None:
        self._socket = socket
        self._silence_seconds = silence_seconds

    async def start(self, sample_rate: int, hotwords: str, speakers: str) -> None:
        """Called by the client: sound may be sent afterwards."""
        begin = {"type": "start", "sample_rate": sample_rate, "hotwords": hotwords}
        if speakers:
            begin["speakers"] = speakers
        await self.send(json.dumps(begin))
        await self._read()

    async def send(self, sound: bytes | str) -> None:
        """Sound: 16-bit samples, little-endian, one channel."""
        with told_apart():
            await self._socket.send(sound)

    async def stop(self) -> None:
        """Nothing more will be said."""
        await self.send(json.dumps({"type": "stop"}))

    async def __aiter__(self) -> AsyncIterator[LiveEvent]:
        """What is understood, `Done` being last.

        Raises:
            Refused: why it is over; Busy when another time may do.
            BrokenOff: it was cut, such as by a worker that is replaced.
        """
        while True:
            if (event := await self._read()) is not None:
                yield event
            if isinstance(event, Done):
                return

    async def _read(self) -> LiveEvent | None:
        import asyncio

        with told_apart():
            message = await asyncio.wait_for(self._socket.recv(decode=False), self._silence_seconds)
            return understood(_event, message)


@contextlib.contextmanager
def told_apart(url: str = "") -> Iterator[None]:
    """What goes wrong with a connection inside is raised as what it means."""
    import asyncio

    from websockets.exceptions import InvalidStatus, WebSocketException

    try:
        yield
    except InvalidStatus as error:
        answer = error.response
        after = answer.headers.get("Retry-After", "")
        raise refusal(answer.status_code, bytes(answer.body or b""), after) from None
    except ConnectionRefusedError as error:
        raise Unreachable(url, reason(error)) from None
    except (WebSocketException, OSError, EOFError, asyncio.TimeoutError) as error:
        raise BrokenOff(reason(error)) from None


def _event(message: bytes) -> LiveEvent | None:
    """A message as an event; None for one that says nothing new."""
    body = json.loads(message)
    kind = body["type"]
    if kind == "error":
        raise refusal(0, message)
    if kind == "partial":
        return Partial(body["text"])
    if kind == "final":
        return Final(full_json.read_segments(body["segments"]), body["settled_seconds"])
    if kind == "done":
        return Done(full_json.read(body), body["limit_reached"])
    return None
