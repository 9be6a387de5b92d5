"""The batches of whoever asks, newest first, a page at a time."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request

from seacod.errors import BadRequest
from seacod.jobs.gate import JobsGate
from seacod.jobs.listing import Listed
from seacod.system.net.client_names import is_named
from seacod.web.middleware.access import client_of
from seacod.web.routes import openapi

_LISTED, _MOST_LISTED = 50, 500


def router(gate: JobsGate) -> APIRouter:
    """The route of one worker."""
    routes = APIRouter(tags=["batches"], responses=openapi.REFUSALS)

    @routes.get("/jobs", summary="Your own batches, newest first; next= goes on where a page ended")
    async def listed(request: Request, next: str = "", limit: str = "") -> dict[str, Any]:
        most = _wanted(limit)
        client = _named(request)
        found = await gate.open().ask(lambda store: store.of_client(client, next, most + 1))
        page = found[:most]
        return {
            "jobs": [_line(one) for one in page],
            "next": page[-1].job.id if len(found) > most else None,
        }

    return routes


def _named(request: Request) -> str:
    client = client_of(request)
    if not is_named(client):
        raise BadRequest(
            "whose batches? only a key or a login has a list of its own; everybody else keeps the "
            "address of each job",
            "无法确定是谁的任务：仅持密钥或已登录的用户可查看列表，其他人请保存任务地址",
        )
    return client


def _wanted(limit: str) -> int:
    if not limit:
        return _LISTED
    if not (limit.isdecimal() and len(limit) < 10 and 1 <= int(limit) <= _MOST_LISTED):
        raise BadRequest(
            f"limit={limit[:20]!r}: write a number from 1 to {_MOST_LISTED}",
            f"limit={limit[:20]}：应为 1 到 {_MOST_LISTED} 的整数",
        )
    return int(limit)


def _line(one: Listed) -> dict[str, Any]:
    return {
        "job": one.job.id,
        "state": one.state,
        "created": round(one.job.created, 3),
        "finished": None if one.job.finished is None else round(one.job.finished, 3),
        "counts": {state.value: count for state, count in one.counts.items()},
        "status_url": f"/jobs/{one.job.id}",
    }
