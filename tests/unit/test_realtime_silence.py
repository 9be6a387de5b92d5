"""A Realtime connection on which nobody speaks: what else it sends keeps no place."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from types import SimpleNamespace
from typing import Any

import pytest
from by_hand import PATIENCE, run, served
from starlette.applications import Starlette
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from seacod.web import closing
from seacod.web.readiness import Readiness
from seacod.web.realtime import conversation
from seacod.web.routes import realtime

UPDATE = {"type": "session.update", "session": {"type": "transcription"}}


@pytest.mark.parametrize("message", [None, UPDATE, {"type": "no such event"}])
def test_who_says_nothing_leaves_the_place_whatever_is_sent(
    monkeypatch: pytest.MonkeyPatch, listening: socket.socket, message: Any
) -> None:
    monkeypatch.setattr(conversation, "_WITHIN_SECONDS", 0.5)
    service: Any = SimpleNamespace(
        limits=SimpleNamespace(live_sessions=4), engine=SimpleNamespace(name="m", language="zh")
    )
    app = Starlette(routes=realtime.router(service, Readiness(), "").routes)

    async def send(microphone: ClientConnection) -> None:
        with contextlib.suppress(ConnectionClosed):
            while message is not None:
                await microphone.send(json.dumps(message))
                await asyncio.sleep(0.01)

    async def story() -> None:
        host, port = listening.getsockname()
        async with (
            served(listening, app=app),
            connect(f"ws://{host}:{port}/v1/realtime", proxy=None) as microphone,
        ):
            sending = asyncio.ensure_future(send(microphone))
            told: list[dict[str, Any]] = []
            with pytest.raises(ConnectionClosed) as closed:
                while True:
                    told.append(json.loads(await asyncio.wait_for(microphone.recv(), PATIENCE)))
            assert "0.5 s of sound" in told[-1]["error"]["message"]
            assert closed.value.rcvd is not None
            assert closed.value.rcvd.code == closing.POLICY
            await sending

    run(story())
