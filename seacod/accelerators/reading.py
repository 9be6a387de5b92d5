"""Reading the drivers from an event loop. The supervisor's."""

from __future__ import annotations

import asyncio

from seacod.accelerators.base import Driver, DriverAbsent, Gpu
from seacod.accelerators.registry import all_accelerators
from seacod.system.processes.threads import on_thread


class Drivers(Driver):
    """The drivers of all vendors as one."""

    def __init__(self) -> None:
        self._drivers = [one.driver() for one in all_accelerators()]

    def read(self) -> list[Gpu]:
        found: list[Gpu] = []
        absent = []
        for driver in self._drivers:
            try:
                found += driver.read()
            except DriverAbsent as error:
                absent.append(str(error))
        self.lost = tuple(one for driver in self._drivers for one in driver.lost)
        if len(absent) == len(self._drivers):
            raise DriverAbsent("; ".join(absent))
        return found

    def close(self) -> None:
        for driver in self._drivers:
            driver.close()


def read_soon(driver: Driver) -> asyncio.Future[list[Gpu]]:
    """Read on a thread of its own: one that never comes back must not keep the service from ending.
    What `Driver.read` raises is raised by the future."""
    return on_thread("seacod-gpu", driver.read)
