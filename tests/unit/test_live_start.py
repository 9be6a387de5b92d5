"""The first message of a microphone: it is not waited for as long as for sound."""

from __future__ import annotations

import asyncio
import socket
from types import SimpleNamespace
from typing import Any, cast

import pytest
from by_hand import PATIENCE, run, served
from starlette.applications import Starlette
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from seacod.asr.service import TranscriptionService
from seacod.web.readiness import Readiness
from seacod.web.routes import live


def test_a_microphone_that_never_begins_is_let_go(
    monkeypatch: pytest.MonkeyPatch, listening: socket.socket
) -> None:
    monkeypatch.setattr(live, "_START_SECONDS", 0.1)
    monkeypatch.setattr(live, "_SILENT_SECONDS", 3600.0)
    service = cast(Any, SimpleNamespace(limits=SimpleNamespace(live_sessions=4)))
    app = Starlette(routes=live.router(cast(TranscriptionService, service), Readiness()).routes)

    async def story() -> None:
        host, port = listening.getsockname()
        async with (
            served(listening, app=app),
            connect(f"ws://{host}:{port}/live", proxy=None) as microphone,
        ):
            with pytest.raises(ConnectionClosed):
                await asyncio.wait_for(microphone.recv(), PATIENCE)

    run(story())
