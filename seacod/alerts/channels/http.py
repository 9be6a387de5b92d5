"""POSTs JSON to a webhook, on a thread of its own; no channel itself."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from typing import Any

from seacod.alerts.channels.base import Undelivered
from seacod.system.threads import on_thread

_TIMEOUT_SECONDS = 20.0
_SHOWN = 300


async def post(url: str, body: dict[str, Any]) -> tuple[int, str]:
    """Status and answer.

    Raises:
        Undelivered: no answer, or a status that is no success. The address, which holds a token,
            is in no message.
    """
    return await on_thread("seacod-post", lambda: _post(url, body))


def _post(url: str, body: dict[str, Any]) -> tuple[int, str]:
    request = urllib.request.Request(  # noqa: S310  # the operator's own address
        url,
        data=json.dumps(body, ensure_ascii=False).encode(),
        headers={"Content-Type": "application/json; charset=utf-8", "User-Agent": "seacod"},
    )
    try:
        with urllib.request.urlopen(request, timeout=_TIMEOUT_SECONDS) as answer:  # noqa: S310
            return answer.status, answer.read(4096).decode("utf-8", "replace")[:_SHOWN]
    except urllib.error.HTTPError as error:
        said = error.read(4096).decode("utf-8", "replace")[:_SHOWN].replace(url, "(address)")
        is_final = error.code in (400, 401, 403, 404, 410)
        raise Undelivered(
            f"{error.code} {error.reason}: {said}", is_final=False, is_ours=is_final
        ) from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", None) or error
        raise Undelivered(str(reason).replace(url, "(address)") or "no answer") from None
