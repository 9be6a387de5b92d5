"""All items of the checklist, found in `items/`, in the order they are told."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from seacod.errors import BadRequest, SeacodError
from seacod.proving.checks import items as package
from seacod.proving.checks.context import CheckContext
from seacod.proving.checks.item import Finding, Status, Unseen
from seacod.system.discovery import declared
from seacod.system.text.words import reason

Item = Callable[[CheckContext], Finding]
# As they are told; items that are not named here come after them.
_ORDER = (
    "configuration", "service", "address", "ports", "page", "recognition", "hotwords",
    "hotword_lists", "model", "device", "gpu", "memory", "disk", "permissions", "logs", "jobs",
    "boot", "watchdog", "mail", "alerts", "metrics", "clock", "versions",
)  # fmt: skip


def all_items() -> dict[str, Item]:
    """Every item by its name, in order."""
    found = {one.__name__: one for several in declared(package, "ITEMS", tuple) for one in several}
    return {name: found[name] for name in sorted(found, key=lambda one: (*_ORDER, one).index(one))}


def chosen(names: Sequence[str]) -> list[str]:
    """The items of these names, all of them for none.

    Raises:
        BadRequest: there is no item of a name.
    """
    items = all_items()
    for name in names:
        if name not in items:
            raise BadRequest(
                f"{name}: there is no such item; there are: {', '.join(items)}",
                f"{name}：没有这个检查项；可用的有：{'、'.join(items)}",
            )
    return [name for name in items if name in names or not names]


def run(context: CheckContext, names: Sequence[str]) -> Iterator[tuple[str, Finding]]:
    """Each item and its result, as soon as it is there."""
    items = all_items()
    for name in names:
        yield name, _one(items[name], context)


def _one(item: Item, context: CheckContext) -> Finding:
    try:
        return item(context)
    except Unseen as unseen:
        return unseen.finding
    except SeacodError as error:
        return Finding(Status.FAIL, (error.message, error.chinese))
    except (OSError, ValueError, KeyError) as error:
        # What an answer that is not ours, or a file that cannot be read, makes of it.
        why, chinese = reason(error)
        name, file = type(error).__name__, getattr(error, "filename", None)
        what = f"{file}：{chinese}" if file else chinese
        return Finding(
            Status.FAIL,
            (
                f"could not be looked at: {name}: {f'{file}: ' if file else ''}{why}",
                f"无法检查：{what}",
            ),
            ("run it as root; journalctl -u seacod", "请以 root 运行；查看 journalctl -u seacod"),
        )
