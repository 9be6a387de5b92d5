"""What every answer of ours tells browsers, of page, API, fallback and metrics alike."""

from __future__ import annotations

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

# Scripts and styles stand in the page itself here and there, so these are allowed; and tools that
# look at a page (Playwright, axe) make functions of text in it. From elsewhere comes nothing.
CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'self'",
        "script-src 'self' 'unsafe-inline' 'unsafe-eval'",
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data: blob:",
        "media-src 'self' data: blob:",
        # What is about to be sent is read and drawn before.
        "connect-src 'self' data: blob:",
        "font-src 'self' data:",
        "worker-src 'self' blob:",
        "object-src 'none'",
        "base-uri 'self'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    )
)
ANSWER_HEADERS = (
    ("Content-Security-Policy", CONTENT_SECURITY_POLICY),
    ("X-Content-Type-Options", "nosniff"),
    ("X-Frame-Options", "DENY"),
    ("Referrer-Policy", "same-origin"),
)


def with_answer_headers(app: ASGIApp) -> ASGIApp:
    """The application, with these headers on every answer that does not say otherwise itself."""

    async def wrapped(scope: Scope, receive: Receive, send: Send) -> None:
        async def tell(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in ANSWER_HEADERS:
                    headers.setdefault(name, value)
            await send(message)

        await app(scope, receive, tell if scope["type"] == "http" else send)

    return wrapped
