"""What a client may use, as `access.quotas` says it."""

from __future__ import annotations

import re
from dataclasses import dataclass

from seacod.system.net.client_names import is_named, own_name
from seacod.system.text.words import WrongValue

ENTRY = re.compile(r"(\*|[A-Za-z0-9._@-]{1,64}):(\S+)")
_LIMIT = re.compile(r"(audio_hours_per_day|requests_per_minute)=(\d{1,9}(?:\.\d{1,6})?)")


@dataclass(frozen=True, slots=True)
class Quota:
    """None where there is no limit."""

    audio_hours_per_day: float | None = None
    requests_per_minute: float | None = None


def parse(text: str) -> dict[str, Quota]:
    """Quotas by the name of a key or user; `*` is for all who have none of their own.

    Raises:
        ValueError: an entry is none; says which, and what one looks like.
    """
    quotas: dict[str, Quota] = {}
    for entry in text.split():
        found = ENTRY.fullmatch(entry)
        limits = [_LIMIT.fullmatch(one) for one in found[2].split(",")] if found else []
        if found is None or not all(limits):
            raise WrongValue(
                f"{entry!r} is no quota; one looks like "
                "NAME:audio_hours_per_day=2,requests_per_minute=30",
                f"{entry!r} 不是配额；格式如 NAME:audio_hours_per_day=2,requests_per_minute=30",
            )
        if found[1] in quotas:
            raise WrongValue(
                f"{found[1]!r} is there twice; a name has one entry",
                f"{found[1]!r} 出现两次；每个名称只能有一条",
            )
        given = {limit[1]: float(limit[2]) for limit in limits if limit is not None}
        if not all(given.values()):
            raise WrongValue(
                f"{entry!r}: a limit must be above 0; for no use at all, give no key",
                f"{entry!r}：配额须大于 0；如不允许某人使用，请勿为其分配密钥",
            )
        quotas[found[1]] = Quota(**given)
    return quotas


def of(client: str, quotas: dict[str, Quota]) -> Quota:
    """The quota of a client: `key:NAME`, `user:NAME`, or an address."""
    own = quotas.get(own_name(client)) if is_named(client) else None
    return own or quotas.get("*") or Quota()
