"""FunASR's WebSocket protocol: the route, and what its ends look like to the client.

Every end that is not the client's own has a close code: 1012 the worker is being replaced (connect
again), 1013 there is no room now, 1008 what was sent cannot be understood, 1011 something broke
here. Before it comes an answer with `error`.
"""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Callable

import structlog
from fastapi import APIRouter
from starlette.websockets import WebSocket

from seacod.asr.service import TranscriptionService
from seacod.config.in_use import SettingsInUse
from seacod.errors import ClientGone, InferenceFailed, SeacodError
from seacod.paths import Paths
from seacod.routes import FUNASR_PROTOCOL
from seacod.web import closing
from seacod.web.funasr_protocol.connection import FunasrConnection, FunasrContext
from seacod.web.funasr_protocol.crowd import Crowd
from seacod.web.middleware import errors
from seacod.web.middleware.access import client_of
from seacod.web.readiness import Readiness

log = structlog.get_logger(__name__)

# What FunASR's clients ask for, and some insist on.
_SUBPROTOCOL = "binary"
# Clients that do nothing, beside those whose sound may be heard or wait.
_IDLE = 64


def router(
    service: TranscriptionService,
    paths: Paths,
    readiness: Readiness,
    settings: SettingsInUse,
    admit: Callable[[str], None],
) -> APIRouter:
    """The route of one worker; `admit` raises one of `quota.REFUSALS` where a client may send
    nothing more now."""
    routes = APIRouter()
    shared = FunasrContext(service, paths, readiness, settings, admit, Crowd())

    @routes.websocket(FUNASR_PROTOCOL)
    async def funasr(socket: WebSocket) -> None:
        is_asked_for = _SUBPROTOCOL in socket.scope.get("subprotocols", ())
        await socket.accept(_SUBPROTOCOL if is_asked_for else None)
        request_id = secrets.token_hex(8)
        with structlog.contextvars.bound_contextvars(request_id=request_id):
            with contextlib.suppress(ClientGone):
                error = await _conversation(socket, shared, request_id)
                await closing.close(socket, closing.code(error), error.code)
                return
            log.info("funasr_client_gone")

    return routes


async def _conversation(socket: WebSocket, shared: FunasrContext, request_id: str) -> SeacodError:
    """Serve the client until the conversation cannot go on; why it cannot.

    Raises:
        ClientGone: the client went away.
    """
    limits = shared.service.limits
    most = limits.live_sessions + limits.concurrent_requests + limits.queue_length + _IDLE
    connection = FunasrConnection(socket, shared, request_id)
    try:
        with shared.crowd.guest(most, client_of(socket)) as guest:
            return await connection.run(guest)
    except ClientGone:
        raise
    except closing.Moved as error:
        # What was said so far has been told.
        return error
    except SeacodError as error:
        found = error
    except Exception as error:
        found = errors.storage_full(error) or InferenceFailed.unforeseen()
        log.exception("funasr_broke")
    await connection.refuse(found)
    return found
