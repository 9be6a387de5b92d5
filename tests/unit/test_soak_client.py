"""What a client of the soak does when it is refused: it comes again where that is of use."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import pytest

from seacod.proving.soak import work
from seacod.proving.soak.ledger import SoakLedger, WorkKind, WorkOutcome
from seacod.proving.soak.timetable import Mix

Answer = tuple[int, Mapping[str, object]]

_WRONG: Answer = (
    422,
    {"error": {"status": 422, "code": "no_sound", "message": "there is no sound in it"}},
)
_FULL: Answer = (
    507,
    {"error": {"status": 507, "code": "no_space", "message": "no room for uploads"}},
)
_PAGE: Answer = (200, {"status": "here"})


@asynccontextmanager
async def answering(*answers: Answer) -> AsyncIterator[str]:
    """A service that gives these answers, the last of them for good."""
    left = list(answers)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        status, told = left.pop(0) if len(left) > 1 else left[0]
        body = json.dumps(told).encode()
        head = f"HTTP/1.1 {status} Said\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        writer.write(head.encode() + body)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


async def looked(*answers: Answer) -> SoakLedger:
    ledger = SoakLedger()
    async with answering(*answers) as url, work.connect(url, None) as client:
        await work.SoakClient(client, material=None, ledger=ledger).look(Mix.B, "/")  # type: ignore[arg-type]
    return ledger


@pytest.mark.anyio
async def test_no_room_on_the_disk_is_waited_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(work, "_NO_ROOM_SECONDS", 0)
    ledger = await looked(_FULL, _FULL, _PAGE)
    (piece,) = ledger.pieces
    assert (piece.kind, piece.outcome) == (WorkKind.PAGE, WorkOutcome.RIGHT)
    assert (piece.turned_away, piece.interrupted, piece.refused) == (2, 0, 0)


@pytest.mark.anyio
async def test_any_other_refusal_is_a_loss_with_its_sentence() -> None:
    ledger = await looked(_WRONG, _PAGE)
    (piece,) = ledger.pieces
    assert (piece.outcome, piece.remark) == (WorkOutcome.LOST, "there is no sound in it")
