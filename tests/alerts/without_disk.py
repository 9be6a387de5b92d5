"""Run by `test_outbox_without_disk.py` on a file system of its own: fills it, and starts."""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path

from full_disk import fill

from seacod.alerts.alert import Alert, Told
from seacod.alerts.outbox import Outbox
from seacod.alerts.outbox_file import FILE
from seacod.supervisor.watch import alerting


def main(directory: Path, end: str) -> None:
    if (pid := os.fork()) == 0:
        before = Outbox(directory / FILE)
        alert = Alert("leak", "", {"en": "x", "zh": "y"}, 5.0)
        before.add(alert, Told(True, 5.0, 5.0, 0), ["mail"], 0.0)
        if end == "closed":
            before.close()
        os._exit(0)
    os.waitpid(pid, 0)
    for shared in directory.glob("*-shm"):
        shared.unlink()  # as after a reboot on a disk that kept only what was written to it
    filling = fill(directory)
    outbox = alerting._opened(directory / FILE)[0]
    assert outbox.depth() == 1
    assert not list(directory.glob("alerts.broken-*"))
    with contextlib.suppress(Exception):
        outbox.rescue()
    outbox.add(Alert("poison", "", {"en": "x", "zh": "y"}, 6.0), Told(True, 6.0, 6.0, 0), [], 0.0)
    filling.unlink()
    assert outbox.rescue()
    outbox.close()
    after = Outbox(directory / FILE)
    assert after.depth() == 1
    assert {kind for kind, *_ in after.open_alerts()} == {"leak", "poison"}


main(Path(sys.argv[1]), sys.argv[2])
