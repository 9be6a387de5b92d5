"""What a drain says to those whom it cannot serve in its time (`worker/traffic.py`), asked of a
real FastAPI application over its ASGI interface."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from fastapi import FastAPI, Request

from seacod.web.middleware import errors
from seacod.web.readiness import Readiness
from seacod.worker.traffic import Traffic

Messages = list[dict[str, Any]]


class Asked:
    """One request, and what it was answered.

    Args:
        app: is asked.
        path: what for.
        body: the pieces of its body; the last is followed by more unless `is_whole`.
    """

    def __init__(self, app: Any, path: str, *body: bytes, is_whole: bool = True) -> None:
        self.answers: Messages = []
        self._comes: Messages = [
            {"type": "http.request", "body": one, "more_body": True} for one in body
        ]
        if is_whole:
            self._comes.append({"type": "http.request", "body": b"", "more_body": False})
        scope = {
            "type": "http", "method": "POST", "path": path, "headers": [], "query_string": b"",
            "scheme": "http", "server": ("x", 80), "client": ("y", 1), "http_version": "1.1",
        }  # fmt: skip
        self.task = asyncio.ensure_future(app(scope, self._receive, self._send))

    async def _receive(self) -> dict[str, Any]:
        if not self._comes:
            await asyncio.Event().wait()
        return self._comes.pop(0)

    async def _send(self, message: dict[str, Any]) -> None:
        self.answers.append(message)

    @property
    def status(self) -> int | None:
        return self.answers[0]["status"] if self.answers else None

    @property
    def headers(self) -> dict[bytes, bytes]:
        return dict(self.answers[0]["headers"])

    @property
    def error(self) -> dict[str, Any]:
        return json.loads(self.answers[1]["body"])["error"]


class World:
    """An application with routes that never end, and the traffic in front of it."""

    def __init__(self) -> None:
        self.cleaned: list[str] = []
        app = FastAPI()
        errors.install(app)

        @app.post("/long")
        async def long(request: Request) -> None:
            await request.body()
            try:
                await asyncio.Event().wait()
            finally:
                self.cleaned.append("long")

        @app.post("/stubborn")
        async def stubborn(request: Request) -> str:
            await request.body()
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                return "done all the same"
            return ""

        self.traffic = Traffic(Readiness())
        self.app = errors.RequestIds(self.traffic.around(app))

    async def settled(self, count: int) -> None:
        for _ in range(50):
            await asyncio.sleep(0)
        assert self.traffic.active == count


def run(look: Any) -> None:
    asyncio.run(asyncio.wait_for(look, 30))


def test_who_cannot_be_served_is_told_when_to_come_again() -> None:
    async def look() -> None:
        world = World()
        heard = Asked(world.app, "/long", b"whole")
        await world.settled(1)
        assert world.traffic.turn_away() == 1
        await heard.task
        assert heard.status == 503
        assert heard.headers[b"retry-after"] == b"2"
        assert heard.headers[b"connection"] == b"close"
        assert heard.headers[b"x-request-id"].decode() == heard.error["request_id"]
        assert heard.error["code"] == "not_ready"
        assert heard.error["message_zh"]
        # What the request had taken was given back.
        assert world.cleaned == ["long"]
        assert world.traffic.active == 0

    run(look())


@pytest.mark.parametrize("pieces", [0, 1, 3])
def test_uploads_are_told_first(pieces: int) -> None:
    async def look() -> None:
        world = World()
        heard = Asked(world.app, "/long", b"whole")
        coming = Asked(world.app, "/long", *[b"piece"] * pieces, is_whole=False)
        await world.settled(2)
        # Nothing of it has come yet: whether anything will is not known.
        assert world.traffic.turn_away(uploads_only=True) == bool(pieces)
        await world.settled(1 if pieces else 2)
        assert coming.status == (503 if pieces else None)
        assert heard.status is None
        assert world.traffic.turn_away() == (1 if pieces else 2)
        await asyncio.gather(heard.task, coming.task)
        assert heard.status == coming.status == 503

    run(look())


def test_an_answer_that_has_begun_is_never_followed_by_another() -> None:
    async def look() -> None:
        world = World()
        began = asyncio.Event()

        async def slow_answer(scope: Any, receive: Any, send: Any) -> None:
            await send({"type": "http.response.start", "status": 200, "headers": []})
            began.set()
            await asyncio.Event().wait()

        one = Asked(world.traffic.around(slow_answer), "/")
        await began.wait()
        assert world.traffic.turn_away() == 0
        assert [message["type"] for message in one.answers] == ["http.response.start"]
        one.task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await one.task
        assert [message["type"] for message in one.answers] == ["http.response.start"]

    run(look())


def test_what_finishes_all_the_same_is_answered_and_a_cancel_of_others_is_none_of_ours() -> None:
    async def look() -> None:
        world = World()
        stubborn, gone = Asked(world.app, "/stubborn", b"x"), Asked(world.app, "/long", b"x")
        await world.settled(2)
        gone.task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await gone.task
        assert gone.status is None
        assert world.traffic.turn_away() == 1
        await stubborn.task
        assert stubborn.status == 200

    run(look())
