"""Raises and delivers alerts, and is killed by SIGKILL at the step named: for test_durability.

Arguments: outbox file, settings (JSON), step, "raise" or "deliver". Steps: before-add, after-add,
before-send, after-send, after-delivered, none.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from in_use import in_use

from seacod import logs
from seacod.alerts import delivery
from seacod.alerts.channels.mail import Mail
from seacod.alerts.deduplicator import Deduplicator
from seacod.alerts.outbox import Outbox, now
from seacod.config.alerts import AlertSettings
from seacod.config.log import LogSettings


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def around(owner: Any, name: str, *, before: bool, after: bool) -> None:
    """Die before or after this method is called."""
    original = getattr(owner, name)
    is_async = asyncio.iscoroutinefunction(original)

    def call(*arguments: Any, **options: Any) -> Any:
        if before:
            die()
        result = original(*arguments, **options)
        if after:
            die()
        return result

    async def call_async(*arguments: Any, **options: Any) -> Any:
        if before:
            die()
        result = await original(*arguments, **options)
        if after:
            die()
        return result

    setattr(owner, name, call_async if is_async else call)


def main() -> None:
    file, settings_text, step, what = sys.argv[1:]
    settings = AlertSettings.model_validate_json(settings_text)
    points: dict[str, Callable[[], None]] = {
        "before-add": lambda: around(Outbox, "add", before=True, after=False),
        "after-add": lambda: around(Outbox, "add", before=False, after=True),
        "before-send": lambda: around(Mail, "send", before=True, after=False),
        "after-send": lambda: around(Mail, "send", before=False, after=True),
        "after-delivered": lambda: around(Outbox, "delivered", before=False, after=True),
        "none": lambda: None,
    }
    logs.configure(LogSettings(), "client")
    points[step]()
    asyncio.run(act(Path(file), settings, what))


async def act(file: Path, settings: AlertSettings, what: str) -> None:
    outbox = Outbox(file)
    deduplicator = Deduplicator(
        outbox, in_use(alerts=settings), lambda: delivery.configured(settings),
        clock=now, evidence=dict, on_message=lambda: None,
    )  # fmt: skip
    if what == "raise":
        for number in range(3):
            deduplicator.raised(
                "gpu_memory", f"number {number}", f"第 {number} 条", key=str(number)
            )
            print(json.dumps({"raised": number}), flush=True)
    else:
        sender = delivery.Delivery(
            outbox, in_use(alerts=settings), on_trouble=lambda *_: None, touch=lambda: None
        )
        await sender.last_try(120.0)
        print(json.dumps({"waiting": outbox.depth()}), flush=True)


if __name__ == "__main__":
    main()
