"""Clients that wait as long as tests do: where several of them share the cores, five seconds for an
answer (httpx) or ten for a handshake (websockets) are nothing."""

from __future__ import annotations

from functools import partial

from supervised import PATIENCE_SECONDS
from websockets.sync import client

# As Playwright counts it.
PATIENCE_MILLISECONDS = PATIENCE_SECONDS * 1000
# As websockets.sync.client.connect.
connect = partial(
    client.connect, open_timeout=PATIENCE_SECONDS, ping_timeout=PATIENCE_SECONDS, proxy=None
)
