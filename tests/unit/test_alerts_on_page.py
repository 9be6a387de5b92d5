"""The alerts of the page: what is shown as going on."""

from __future__ import annotations

from pathlib import Path

from seacod.alerts.alert import Alert, Told
from seacod.alerts.outbox import Outbox
from seacod.supervisor import status


def test_what_tells_of_a_moment_does_not_go_on() -> None:
    outbox = Outbox(Path(":memory:"))
    for kind in ("configuration", "disk_low"):
        alert = Alert(kind, "", {"en": kind, "zh": kind}, 1.0)
        outbox.add(alert, Told(True, 1.0, 1.0, 0), ["mail"], 1.0)
    shown = {one["kind"]: one["is_open"] for one in status._last_alerts(outbox)}
    assert shown == {"configuration": False, "disk_low": True}
