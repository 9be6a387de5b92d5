"""What an earlier supervisor told as open is told as over, once, by the one after it: because it is
seen not to be there, or because what it was about is part of the service no more.
"""

from __future__ import annotations

import json
import sqlite3
import time
from pathlib import Path

from ports import free_port
from supervised import StandIn, wait_until

from seacod.alerts.alert import Alert, Told
from seacod.alerts.kinds import KINDS, About
from seacod.alerts.outbox import Outbox

# Told as over by whom the stand-in has none of: the jobs of a real worker, GPUs.
_NOT_HERE = {"jobs", "jobs_place", "gpu_lost", "gpu_memory", "gpu_foreign"}


def opened_before(path: Path, alerts: list[tuple[str, str]]) -> None:
    """The outbox that a supervisor has left which told of these."""
    path.parent.mkdir(exist_ok=True)
    outbox = Outbox(path)
    at = time.time() - 7200
    for kind, key in alerts:
        alert = Alert(kind, key, {"en": "It is so.", "zh": "如此。"}, at)
        outbox.add(alert, Told(True, at, at, 0), [], at)
    outbox.sync()
    outbox.close()


def keys(service: StandIn, about: About) -> tuple[str, str]:
    """Of something that is there, and of something that is there no more."""
    return {
        About.SERVICE: ("", "a part of an older version"),
        About.REPLICA: ("", "worker 2"),
        About.GPU: ("GPU 0", "GPU 7"),
        About.DIRECTORY: (str(service.directory / "state/uploads"), "/srv/elsewhere/uploads"),
        About.CHANNEL: ("webhook", "mail"),
    }[about]


def told(path: Path) -> list[tuple[str, str, bool, str]]:
    """What waits for the receiver: kind, key, whether it is over, in English."""
    with sqlite3.connect(path) as db:
        rows = db.execute("SELECT kind, key, body FROM message ORDER BY id").fetchall()
    bodies = [(kind, key, json.loads(body)) for kind, key, body in rows]
    return [(kind, key, body["is_recovery"], body["text"]["en"]) for kind, key, body in bodies]


def test_what_was_told_as_open_is_told_as_over_once(service: StandIn) -> None:
    url = service.directory / "webhook-url"
    url.write_text(f"http://127.0.0.1:{free_port()}/")
    url.chmod(0o600)
    service.configure(
        alerts={
            # Nobody takes them: they wait, to be read here.
            "webhook_url_file": str(url), "gather_seconds": 0,
            "error_rate_window_seconds": 10, "wrong_logins": 0, "queue_full_seconds": 1,
        },
        supervisor={"stable_seconds": 1},
    )  # fmt: skip
    path = service.directory / "state/alerts.sqlite3"
    kinds = [kind for kind in KINDS.values() if kind.about is not None]
    there = [(k.name, keys(service, k.about)[0]) for k in kinds if k.name not in _NOT_HERE]  # type: ignore[arg-type]
    gone = [(k.name, keys(service, k.about)[1]) for k in kinds]  # type: ignore[arg-type]
    # Without a driver nobody can say that a GPU answers again.
    gone.remove(("gpu_lost", "GPU 7"))
    # That a receiver takes messages again is seen when it has taken one.
    there.remove(("delivery", "webhook"))
    opened_before(path, [*there, *gone, ("delivery", "webhook")])
    service.start()
    wait_until(lambda: len(told(path)) >= len(there) + len(gone), lambda: f"{told(path)}")
    said = told(path)
    assert {(kind, key) for kind, key, _, _ in said} == {*there, *gone}
    assert len(said) == len(there) + len(gone) and all(is_over for _, _, is_over, _ in said)
    for kind, key, _, english in said:
        assert ((kind, key) in gone) == ("is no longer part of this service" in english), kind
    assert service.status()["alerts"]["open"][0]["key"] == "webhook"  # type: ignore[index]
    assert not service.events("traffic_rule"), "nothing has begun or ended while it ran"
