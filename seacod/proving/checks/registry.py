"""All items, in the order they are told."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import httpx

from seacod.errors import BadRequest, SeacodError
from seacod.proving.checks import keeping, machine, recognising, serving
from seacod.proving.checks.context import CheckContext
from seacod.proving.checks.item import Finding, Status, Unseen

ITEMS: dict[str, Callable[[CheckContext], Finding]] = {
    "configuration": serving.configuration,
    "service": serving.service,
    "address": serving.address,
    "ports": serving.ports,
    "page": serving.page,
    "recognition": recognising.recognition,
    "hotwords": recognising.hotwords,
    "model": recognising.model,
    "device": recognising.device,
    "gpu": machine.gpu,
    "memory": machine.memory,
    "disk": machine.disk,
    "permissions": keeping.permissions,
    "logs": keeping.logs,
    "jobs": keeping.jobs,
    "boot": keeping.boot,
    "watchdog": keeping.watchdog,
    "mail": keeping.channels,
    "alerts": keeping.alerts,
    "metrics": serving.metrics,
    "clock": machine.clock,
    "versions": recognising.versions,
}


def chosen(names: Sequence[str]) -> list[str]:
    """The items of these names, all of them for none.

    Raises:
        BadRequest: there is no item of a name.
    """
    for name in names:
        if name not in ITEMS:
            raise BadRequest(
                f"{name}: there is no such item; there are: {', '.join(ITEMS)}",
                f"{name}：没有这个检查项；可用的有：{'、'.join(ITEMS)}",
            )
    return [name for name in ITEMS if name in names or not names]


def run(context: CheckContext, names: Sequence[str]) -> Iterator[tuple[str, Finding]]:
    """Each item and what it came to, as it comes."""
    for name in names:
        yield name, _one(ITEMS[name], context)


def _one(item: Callable[[CheckContext], Finding], context: CheckContext) -> Finding:
    try:
        return item(context)
    except Unseen as unseen:
        return unseen.finding
    except SeacodError as error:
        return Finding(Status.FAIL, (error.message, error.chinese))
    except (httpx.HTTPError, OSError, ValueError, KeyError) as error:
        # What an answer that is not ours, or a file that cannot be read, makes of it.
        words = f"{type(error).__name__}: {error}"
        return Finding(
            Status.FAIL,
            (f"could not be looked at: {words}", f"无法检查：{words}"),
            ("run it as root; journalctl -u seacod", "请以 root 运行；查看 journalctl -u seacod"),
        )
