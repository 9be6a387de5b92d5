"""How many workers there are, and what each is given: a GPU of its own, or a share of the cores.

Asked once, when the service starts; nothing is started here.
"""

from __future__ import annotations

import asyncio
import os

import structlog

from seacod.accelerators import registry
from seacod.accelerators.base import DriverAbsent, DriverFailed, Gpu
from seacod.accelerators.reading import Drivers, read_soon
from seacod.config.schema import Settings
from seacod.supervisor.replica import Replica

log = structlog.get_logger(__name__)

# A driver that does not answer within this time keeps nobody from starting.
_COUNT_SECONDS = 20.0


def replicas(wanted: str, gpus: list[Gpu]) -> list[Replica]:
    """One for each worker.

    Args:
        wanted: supervisor.workers, a number or auto.
        gpus: those that may be used.
    """
    count = max(1, len(gpus)) if wanted == "auto" else int(wanted)
    if count == 1:
        # As it always was: it sees what the service sees.
        return [Replica()]
    return [Replica(n, count, gpus[n % len(gpus)] if gpus else None) for n in range(count)]


async def place(settings: Settings) -> list[Replica]:
    """The replicas of this service on this machine."""
    wanted = settings.supervisor.workers
    if wanted == "1":
        return [Replica()]
    gpus = [] if settings.asr.device == "cpu" else await _gpus(settings.asr.device)
    made = replicas(wanted, gpus)
    log.info("workers_placed", wanted=wanted, gpus=[gpu.uuid for gpu in gpus], workers=len(made))
    return made


async def _gpus(device: str) -> list[Gpu]:
    """The GPUs that the service may use for this device; none where no driver tells of any."""
    drivers = Drivers()
    try:
        found = await asyncio.wait_for(read_soon(drivers), _COUNT_SECONDS)
    except asyncio.TimeoutError:
        # The thread sits in the driver: it is left behind, with the library it opened.
        log.error("gpus_not_counted", cause=f"the driver did not answer in {_COUNT_SECONDS:g} s")
        return []
    except (DriverAbsent, DriverFailed) as error:
        log.warning("gpus_not_counted", cause=str(error))
        return []
    drivers.close()
    return registry.shown(found, device, os.environ)
