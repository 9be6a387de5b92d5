"""The outbox of a service on this machine, for commands that look into it."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from seacod.alerts.outbox import Outbox
from seacod.alerts.outbox_file import FILE
from seacod.config.load import load_settings
from seacod.errors import NotRunning
from seacod.paths import Paths
from seacod.system.text.words import reason


@contextlib.contextmanager
def open_outbox(config: Path | None) -> Iterator[Outbox]:
    """That of the configured service, while the block runs.

    Raises:
        NotRunning: there is none, or it cannot be read.
    """
    path = Paths.resolve(load_settings(config)).state / FILE
    if not path.is_file():
        raise NotRunning(
            f"{path}: there is no outbox; the service makes it when it first starts",
            f"{path}：找不到告警记录；服务首次启动时会创建",
        )
    try:
        outbox = Outbox(path)
    except sqlite3.Error as error:
        raise NotRunning(
            f"{path}: cannot be read ({error}); only root and the service's own user may",
            f"{path}：无法读取（{reason(error)[1]}）；只有 root 和服务用户可以读取",
        ) from None
    try:
        yield outbox
    finally:
        outbox.close()
