"""Who sends a request, as one word: `key:NAME` of a program, `user:NAME` of a person, else the
address; in the queue with `job:` or `live:` before it, since those take turns of their own.
"""

from __future__ import annotations

_TURNS = ("job:", "live:")
_NAMED = ("key:", "user:")


def owner(client: str) -> str:
    """Who it is, whatever the turn."""
    return _without(client, _TURNS)


def is_named(client: str) -> bool:
    """Whether it is one of those that the configuration names; addresses are without number, and
    one may be that of many."""
    return client.startswith(_NAMED)


def own_name(client: str) -> str:
    """The name of the key or person alone; an address is its own."""
    return _without(owner(client), _NAMED)


def _without(client: str, beginnings: tuple[str, ...]) -> str:
    found = next((one for one in beginnings if client.startswith(one)), "")
    return client.removeprefix(found)
