"""The answer at `/` where no page is served (`server.page: off`): where the API is."""

from __future__ import annotations

from fastapi import APIRouter

from seacod import __version__


def router(root_path: str) -> APIRouter:
    """The route at the address where the page would be.

    Args:
        root_path: prefix of a reverse proxy, empty for none.
    """
    routes = APIRouter(include_in_schema=False)

    @routes.get("/")
    async def root() -> dict[str, str]:
        return {
            "service": "seacod",
            "version": __version__,
            "message": "This service has no page (server.page: off); the API is here.",
            "message_zh": "本服务未启用网页（server.page: off），仅提供 API。",
            "api": f"{root_path}/openapi.json",
            "docs": f"{root_path}/docs",
            "health": f"{root_path}/health",
        }

    return routes
