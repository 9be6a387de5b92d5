"""What every worker makes at its start, made once in the nursery and thrown away.

Libraries import late, and keep what they have worked out: the dialect of SQLAlchemy, what FastAPI
makes of each route. A worker that is forked afterwards needs a part of the time for it.
"""

from __future__ import annotations

import tempfile
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import structlog
from sqlalchemy.exc import SQLAlchemyError

from seacod.config.in_use import SettingsInUse
from seacod.config.schema import Settings
from seacod.paths import Paths
from seacod.web.readiness import Readiness

if TYPE_CHECKING:
    from seacod.asr.service import TranscriptionService
    from seacod.jobs.runner import Jobs


log = structlog.get_logger(__name__)

# What libraries import only when a first request comes; not every version has each.
_LATE = (
    "anyio._backends._asyncio", "fastapi.telemetry._runtime", "uvicorn.lifespan.on",
    "uvicorn.protocols.websockets.auto",
)  # fmt: skip


def rehearse(settings: Settings, paths: Paths) -> None:
    """Import, and go through a start as far as it touches no model, no socket and no file of ours.

    Args:
        settings: of the service.
        paths: only named.
    """
    for step in STEPS:
        step(settings, paths)


def _import_late(settings: Settings, paths: Paths) -> None:
    import seacod.asr.service
    import seacod.asr.tuner
    import seacod.jobs.callback_delivery
    import seacod.jobs.runner
    import seacod.metrics.worker
    import seacod.worker.canary
    import seacod.worker.serving
    import seacod.worker.tls  # noqa: F401

    for name in _LATE:
        with suppress(ImportError):
            import_module(name)


def _open_a_store(settings: Settings, paths: Paths) -> None:
    from seacod.jobs.database import said
    from seacod.jobs.opening import open_store

    try:
        with tempfile.TemporaryDirectory(dir=paths.temp) as scratch:
            open_store(Path(scratch)).close()
    except (OSError, SQLAlchemyError) as error:
        # A full disk keeps nobody from being heard.
        log.warning("start_not_rehearsed", cause=said(error))


def _make_an_application(settings: Settings, paths: Paths) -> None:
    from seacod.jobs.gate import JobsGate
    from seacod.web.app import create_app
    from seacod.web.logins.logins import Logins

    in_use = SettingsInUse(settings)
    create_app(
        # Nobody asks these routes; drawing them up wants no more of it.
        cast("TranscriptionService", SimpleNamespace(refused=None)),
        in_use,
        paths,
        Readiness(),
        JobsGate(in_use, cast("Jobs", None)),
        Logins(settings.access, paths.sessions, lambda what: None),
        lambda client: None,
    )


# Some hundredths of a second each: a worker that waits goes through them once more, and leaves the
# rest out when its order comes.
STEPS = (_import_late, _open_a_store, _make_an_application)
