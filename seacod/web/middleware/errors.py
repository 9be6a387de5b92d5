"""Errors on their way out: one shape for all routes, a request id on every answer.

{"error": {"code": ..., "message": ..., "message_zh": ..., "request_id": ...}}
"""

from __future__ import annotations

import errno
import json
import os
import re
import secrets
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from seacod.errors import ClientGone, Paused, ResourcesExhausted, SeacodError, StorageFull
from seacod.system.net.acceptor import OUT_OF_DESCRIPTORS
from seacod.system.net.error_shape import error_body
from seacod.system.text import given_text
from seacod.system.text.words import Words
from seacod.web import closing

log = structlog.get_logger(__name__)

_GIVEN_ID = re.compile(r"^[A-Za-z0-9._-]{1,64}$")
# What the system says when a file cannot grow: full, over quota, gone read-only.
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)
# What it says when our own directory was taken away or closed; also of much else.
_GONE, _CLOSED = (errno.ENOENT, errno.ENOTDIR), (errno.EACCES, errno.EPERM)
_SHOWN_CHARACTERS = 20
# Of every whole number in an address: what databases take.
_DIGITS = 9
LARGEST_NUMBER = 10**_DIGITS - 1
_PLAIN = {
    404: ("not_found", "there is nothing at this address", "此地址没有内容"),
    405: ("method_not_allowed", "this address does not take that method", "此地址不支持该方法"),
}


class RequestIds:
    """Gives each request an id, or keeps a sensible one it came with; binds it to the log."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        state = scope.setdefault("state", {})
        if "request_id" in state:  # there is one of us around already
            await self._app(scope, receive, send)
            return
        given = Headers(scope=scope).get("x-request-id", "")
        request_id = given if _GIVEN_ID.match(given) else secrets.token_hex(8)
        state["request_id"] = request_id

        async def send_with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)["X-Request-ID"] = request_id
            await send(message)

        with structlog.contextvars.bound_contextvars(request_id=request_id):
            await self._app(scope, receive, send_with_id)


def install(app: FastAPI) -> None:
    """Turn everything a route may raise into the one shape."""
    app.add_middleware(RequestIds)
    handle_storage(app)

    @app.exception_handler(SeacodError)
    async def known(request: Request, error: SeacodError) -> Response:
        # What recognition refuses, the service has logged; this is for uploads it never saw.
        log.debug("request_refused", path=request.url.path, code=error.code)
        return answer_error(request, error)

    @app.exception_handler(ClientDisconnect)
    async def gone(request: Request, error: ClientDisconnect) -> Response:
        return await known(request, ClientGone("the client went away", "客户端已断开连接"))

    @app.exception_handler(HTTPException)
    async def plain(request: Request, error: HTTPException) -> Response:
        code, english, chinese = _PLAIN.get(
            error.status_code,
            ("http_error", str(error.detail), f"请求无法处理：{error.detail}"),
        )
        return answer(request, error.status_code, code, english, chinese)

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> Response:
        wrong = [_wrong(one) for one in error.errors()]
        english, chinese = ("; ".join(each) for each in zip(*wrong, strict=True))
        return answer(request, 400, "bad_request", english, chinese)

    @app.exception_handler(Exception)
    async def unknown(request: Request, error: Exception) -> Response:
        return broke(request, error)


def _wrong(found: Any) -> Words:
    """What FastAPI will not have, by its name, what was given for it and what would do."""
    name = ".".join(map(str, found["loc"][1:]))
    given = given_text.one_line(str(found["input"]), _SHOWN_CHARACTERS)
    if str(found["type"]).startswith("int_") or found["type"] == "less_than_equal":
        return (
            f"{name}={given!r}: write a whole number of at most {_DIGITS} digits",
            f"{name}={given}：应为不超过 {_DIGITS} 位的整数",
        )
    return f"{name}={given!r}: {found['msg']}", f"{name}={given}：格式不正确（{found['msg']}）"


def handle_storage(app: FastAPI) -> None:
    """Answer a full disk with 507 and the want of descriptors with 503; also for the page's own
    application."""

    @app.exception_handler(OSError)
    async def system(request: Request, error: OSError) -> Response:
        if error.errno in OUT_OF_DESCRIPTORS:
            log.error("out_of_descriptors", path=request.url.path, error=error.strerror)
            busy = ResourcesExhausted(
                "the service has too much open at present; try again in a few seconds",
                "服务当前打开的连接或文件过多，请几秒后重试",
            )
            return answer_error(request, busy)
        full = storage_full(error)
        if full is None:
            return broke(request, error)
        log.error("storage_full", path=request.url.path, error=error.strerror, file=error.filename)
        return answer_error(request, full)


def storage_full(error: Exception) -> StorageFull | None:
    """What a person is told of an error that means a full disk, or a directory that cannot be
    written to; None of any other."""
    if isinstance(error, OSError) and _is_closed(error):
        return StorageFull(
            "the server cannot write to the place where it keeps uploads "
            f"({(error.strerror or '').lower()}); its operator has to look at it",
            "服务器存放上传文件的目录无法写入，请联系管理员",
        )
    if not isinstance(error, OSError) or error.errno not in _NO_ROOM:
        return None
    return StorageFull(
        f"the server cannot keep the upload ({(error.strerror or '').lower()}); its operator "
        "has to make room on the disk",
        "服务器磁盘空间不足，无法保存上传的文件，请联系管理员",
    )


def _is_closed(error: OSError) -> bool:
    """Whether nothing can be made where this was to be: a file that is missing in a directory that
    is there, or that only itself is closed, is something else."""
    # The second one of what is moved.
    places = [
        os.path.dirname(os.fsdecode(one)) or "."
        for one in (error.filename, error.filename2)
        if isinstance(one, str | bytes)
    ]
    if error.errno in _GONE:
        return any(not os.path.isdir(one) for one in places)
    return error.errno in _CLOSED and any(not os.access(one, os.W_OK | os.X_OK) for one in places)


def broke(request: Request, error: Exception) -> Response:
    """The answer to an unexpected error."""
    log.error("request_broke", path=request.url.path, exc_info=error)
    return answer(
        request, 500, "internal",
        "something went wrong on our side; the log has it under this request id",
        "服务内部出错，日志中可按请求编号查找",
    )  # fmt: skip


async def refuse(scope: Scope, receive: Receive, send: Send, error: SeacodError) -> None:
    """Answer a request, or end a WebSocket that has not been accepted, with an error."""
    if scope["type"] != "websocket":
        await answer_error(Request(scope, receive), error)(scope, receive, send)
        return
    # Let in to hear why: a browser does not tell its page what a refusal said.
    await receive()
    await send({"type": "websocket.accept"})
    told = {"type": "error", **said(error, "")}
    await send({"type": "websocket.send", "text": json.dumps(told, ensure_ascii=False)})
    code = closing.TRY_LATER if isinstance(error, Paused) else closing.POLICY
    await send({"type": "websocket.close", "code": code})


def answer_error(request: Request, error: SeacodError) -> JSONResponse:
    """The response for an error that has a sentence."""
    return answer(
        request, error.http_status, error.code, error.message, error.chinese,
        retry_after_seconds=error.retry_after_seconds,
    )  # fmt: skip


def answer(
    request: Request, status: int, code: str, message: str, chinese: str,
    *, retry_after_seconds: int | None = None,
) -> JSONResponse:  # fmt: skip
    """The response for an error, in the one shape."""
    request_id = getattr(request.state, "request_id", "")
    body = error_body(status, code, (message, chinese), request_id, retry_after_seconds)
    headers = {}
    if "retry_after_seconds" in body:
        headers["Retry-After"] = str(body["retry_after_seconds"])
    return JSONResponse({"error": body}, status, headers)


def said(error: SeacodError, request_id: str) -> dict[str, Any]:
    """An error inside an answer that has begun with 200: the same shape, with its status."""
    words = error.message, error.chinese
    body = error_body(error.http_status, error.code, words, request_id, error.retry_after_seconds)
    return {"error": {**body, "status": error.http_status}}
