"""Refuses uploads before the disk is full, in front of everything that takes one.

An ASGI application around ours, like `traffic.py`. The size is the client's word; one that sends
without saying how much is refused only when the level is reached already.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import structlog
from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect, Request
from starlette.types import ASGIApp, Receive, Scope, Send

from seacod.errors import StorageFull
from seacod.paths import free_bytes
from seacod.web.middleware.errors import answer_error

log = structlog.get_logger(__name__)

_UPLOADS = (
    "/transcribe",
    "/batch_transcribe",
    "/v1/audio/transcriptions",
)


def guarded(app: ASGIApp, directory: Path, refuse_below_bytes: Callable[[], int]) -> ASGIApp:
    """Wrap `app` so that uploads which would leave too little room are refused (507).

    Args:
        directory: where uploads go.
        refuse_below_bytes: gives the free space below which uploads are refused; 0 for never.
    """

    async def guard(scope: Scope, receive: Receive, send: Send) -> None:
        limit = refuse_below_bytes()
        is_upload = scope["type"] == "http" and scope["method"] == "POST"
        if not limit or not is_upload or not str(scope["path"]).endswith(_UPLOADS):
            await app(scope, receive, send)
            return
        declared = Headers(scope=scope).get("content-length", "0")
        wanted = int(declared) if declared.isdigit() else 0
        free = free_bytes(directory)
        if free is None or free - wanted >= limit:
            await app(scope, receive, send)
            return
        log.warning("upload_refused", free_mib=free >> 20, limit_mib=limit >> 20)
        full = StorageFull(
            f"the server has only {free >> 20} MiB left for uploads; its operator has to make room "
            "on the disk",
            f"服务器仅剩 {free >> 20} MiB 磁盘空间，无法接收该文件，请联系管理员",
        )
        request = Request(scope, receive)
        # Read to the end: closing on a client that still sends would lose it the answer.
        try:
            async for _ in request.stream():
                pass
        except ClientDisconnect:
            return
        response = answer_error(request, full)
        await response(scope, receive, send)

    return guard
