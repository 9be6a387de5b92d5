"""Refuses uploads before the disk is full, in front of everything that takes one.

An ASGI application around ours, like `traffic.py`. The size is the client's word; what comes
without one, or beside others, is looked at while it comes (`free_space.py`).
"""

from __future__ import annotations

from pathlib import Path

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from seacod.config.in_use import SettingsInUse
from seacod.errors import StorageFull
from seacod.routes import Carries, carrying
from seacod.system.files.free_space import check_room
from seacod.web.middleware.errors import refuse

_UPLOADS = carrying(Carries.RECORDING)


def guarded(app: ASGIApp, directory: Path, settings: SettingsInUse) -> ASGIApp:
    """Wrap `app` so that uploads which would leave too little room are refused (507).

    Args:
        directory: where uploads go.
        settings: those in use, for how much of the disk is to stay free.
    """

    async def guard(scope: Scope, receive: Receive, send: Send) -> None:
        limit = settings.current.storage.free_refuse_bytes
        is_upload = scope["type"] == "http" and scope["method"] == "POST"
        if not limit or not is_upload or not str(scope["path"]).endswith(_UPLOADS):
            await app(scope, receive, send)
            return
        declared = Headers(scope=scope).get("content-length", "0")
        wanted = int(declared) if declared.isdigit() else 0
        try:
            check_room(directory, limit, wanted)
        except StorageFull as error:
            await refuse(scope, receive, send, error)
            return
        await app(scope, receive, send)

    return guard
