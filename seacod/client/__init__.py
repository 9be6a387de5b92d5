"""How programs ask a running service. `http.py` has the clients, `answers.py` what they give,
`failures.py` why there is no answer and when to ask again, `live.py` a microphone, `calls.py` the
requests themselves; `status_socket.py` asks a service on this machine. Never imports the worker's
side, and libraries of HTTP only when a client is made.

    with Client("http://127.0.0.1:7860") as service:
        print(service.transcribe("recording.wav", hotwords="欣悦").text)
"""

from seacod.client.calls import FromUrl
from seacod.client.failures import (
    NEVER,
    BrokenOff,
    Busy,
    NoSeacod,
    Refused,
    RetryPolicy,
    Unreachable,
)
from seacod.client.http import AsyncClient, Client

__all__ = [
    "NEVER", "AsyncClient", "BrokenOff", "Busy", "Client", "FromUrl", "NoSeacod", "Refused",
    "RetryPolicy", "Unreachable",
]  # fmt: skip
