"""Every channel, found by looking into this folder. Nobody else lists their names."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import TYPE_CHECKING, Any

import seacod.alerts.channels as package
from seacod.alerts.channels.base import Channel
from seacod.alerts.kinds import KINDS
from seacod.system.discovery import declared
from seacod.system.text.words import Words

if TYPE_CHECKING:
    from seacod.config.alerts import AlertSettings


@cache
def all_channels() -> dict[str, type[Channel[Any]]]:
    """Every channel that there is, by its name."""
    found = declared(package, "CHANNEL", type)
    return {one.name: one for one in found if issubclass(one, Channel)}


def configured(settings: AlertSettings) -> dict[str, Channel[Any]]:
    """The channels that these settings switch on, by their names."""
    made = (channel(settings) for channel in all_channels().values())
    return {one.name: one for one in made if one.is_configured}


def problems(settings: AlertSettings) -> Iterator[tuple[str, Words]]:
    """What `seacod config check` finds wrong with the section beyond types and secrets: a key and a
    sentence each."""
    for channel in all_channels().values():
        yield from channel(settings).problems()
    for name in filter(None, (part.strip() for part in settings.muted.split(","))):
        if name not in KINDS:
            yield (
                "muted",
                (
                    f"{name!r} is not a kind of alert; they are: {', '.join(KINDS)}",
                    f"{name!r} 不是告警种类；可用的有：{'、'.join(KINDS)}",
                ),
            )


def switches() -> str:
    """The keys of which one has to be set so that anybody is told."""
    return ", ".join(f"alerts.{one.switch}" for one in all_channels().values())
