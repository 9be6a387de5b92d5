"""OpenAI's Realtime API at `/v1/realtime`: transcription sessions, and what their ends look like.

Before a connection is closed by us comes an event `error`. Codes: 1012 the worker is being replaced
(connect again), 1013 there is no room now, 1008 what was asked for does not exist, 1011 something
broke here.
"""

from __future__ import annotations

import contextlib
import re
import secrets

import structlog
from fastapi import APIRouter
from starlette.websockets import WebSocket, WebSocketDisconnect

from seacod.asr.service import TranscriptionService
from seacod.errors import ClientGone, InferenceFailed, QueueFull, SeacodError
from seacod.routes import REALTIME
from seacod.system.net.client_places import ClientPlaces
from seacod.web import closing
from seacod.web.middleware.access import client_of
from seacod.web.openai_fields import ModelNames
from seacod.web.readiness import Readiness
from seacod.web.realtime import events
from seacod.web.realtime.conversation import Conversation

log = structlog.get_logger(__name__)

# Browsers ask for it; their key is another subprotocol (`middleware/access.py`).
_SUBPROTOCOL = "realtime"
# Names of models that talk, which transcription sessions are connected with, too.
_TALKING = re.compile(r"gpt-(4o-|4o-mini-)?realtime(-mini)?(-preview)?(-[\d-]+)?")
# Connections on which nobody speaks, beside those that may.
_IDLE = 64


def router(service: TranscriptionService, readiness: Readiness, model_aliases: str) -> APIRouter:
    """The route of one worker.

    Args:
        service: has the live sessions.
        readiness: knows when the worker is to end.
        model_aliases: server.model_aliases.
    """
    routes = APIRouter()
    here = ClientPlaces()

    async def converse(socket: WebSocket, request_id: str, *, has_room: bool) -> SeacodError:
        """Serve a client, if there is room for it; why it cannot go on.

        Raises:
            ClientGone: the client went away.
        """
        try:
            if not has_room:
                raise QueueFull(
                    f"{len(here) - 1} realtime connections are open already, which is the limit; "
                    "try again in a moment",
                    f"已有 {len(here) - 1} 个实时连接，达到上限；请稍后重试",
                )
            models = ModelNames(model_aliases, service.engine.name)
            asked = socket.query_params.get("model", "")
            if asked and not _TALKING.fullmatch(asked):
                models.check(asked)
            is_old = "realtime=v1" in socket.headers.get("openai-beta", "")
            conversation = Conversation(
                socket, service, readiness, models, request_id, is_old=is_old
            )
            await conversation.run()
        except ClientGone:
            raise
        except SeacodError as error:
            return error
        except Exception:
            log.exception("realtime_broke")
            return InferenceFailed.unforeseen()

    @routes.websocket(REALTIME)
    async def realtime(socket: WebSocket) -> None:
        is_asked_for = _SUBPROTOCOL in socket.scope.get("subprotocols", ())
        await socket.accept(_SUBPROTOCOL if is_asked_for else None)
        request_id = secrets.token_hex(8)
        client = client_of(socket)
        has_room = here.has_room(client, service.limits.live_sessions + _IDLE)
        with here.held(client), structlog.contextvars.bound_contextvars(request_id=request_id):
            try:
                error = await converse(socket, request_id, has_room=has_room)
                with contextlib.suppress(WebSocketDisconnect, RuntimeError):
                    await socket.send_json(events.refusal(error, request_id))
                    await socket.close(closing.code(error), error.code)
            except ClientGone:
                log.info("realtime_client_gone")

    return routes
