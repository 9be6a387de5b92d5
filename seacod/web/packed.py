"""Content that is made once and sent often: packed for browsers that take it so, and not at all to
those that have it. The page (`web/page/`) and the description of the API (`web/docs/`) are served
with it; it knows nothing of what it is."""

from __future__ import annotations

import gzip
import hashlib

from starlette.datastructures import Headers
from starlette.responses import Response

# What is packed already, or would hardly get smaller.
_SMALL_BYTES = 500
_PACKS = ("text/", "application/json", "application/javascript", "image/svg")


class Packed:
    """
    Args:
        body: what is sent.
        media_type: what it is, with its charset.
        cache_control: how long a browser may keep it without asking.
        packed: the same with gzip, where it is there already.
    """

    def __init__(
        self, body: bytes, media_type: str, cache_control: str, *, packed: bytes | None = None
    ) -> None:
        self.body = body
        if packed is None and _is_worth_it(body, media_type):
            packed = gzip.compress(body, 9, mtime=0)
        self._packed = packed if packed is not None and len(packed) < len(body) else None
        self._tag = f'"{hashlib.sha256(body).hexdigest()[:20]}"'
        self._headers = {
            "Cache-Control": cache_control,
            "Content-Type": media_type,
            "Vary": "Accept-Encoding",
        }

    def answer(self, asked: Headers) -> Response:
        """The answer to a request with these headers; to HEAD, too."""
        takes_packed = self._packed is not None and _takes_gzip(asked.get("accept-encoding", ""))
        # A packed answer is another representation, so its mark is another one.
        tag = f'{self._tag[:-1]}-gzip"' if takes_packed else self._tag
        headers = {**self._headers, "ETag": tag}
        if tag in asked.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
        if takes_packed and self._packed is not None:
            return Response(self._packed, headers={**headers, "Content-Encoding": "gzip"})
        return Response(self.body, headers=headers)


def _is_worth_it(body: bytes, media_type: str) -> bool:
    return len(body) >= _SMALL_BYTES and media_type.startswith(_PACKS)


def _takes_gzip(accepted: str) -> bool:
    for part in accepted.lower().split(","):
        name, _, parameters = part.partition(";")
        if name.strip() in ("gzip", "*"):
            return parameters.replace(" ", "") not in ("q=0", "q=0.0", "q=0.00", "q=0.000")
    return False
