"""Reading the drivers from an event loop. The supervisor's."""

from __future__ import annotations

import asyncio
import contextlib
import threading

from seacod.accelerators.base import Driver, DriverAbsent, Gpu
from seacod.accelerators.registry import all_accelerators


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
        if len(absent) == len(self._drivers):
            raise DriverAbsent("; ".join(absent))
        return found

    def close(self) -> None:
        for driver in self._drivers:
            driver.close()


def read_soon(driver: Driver) -> asyncio.Future[list[Gpu]]:
    """Read on a thread of its own. A daemon: one that never comes back must not keep the service
    from ending. What `Driver.read` raises is raised by the future."""
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[list[Gpu]] = loop.create_future()

    def deliver(gpus: list[Gpu] | None, error: Exception | None) -> None:
        if answer.done():
            return
        if error is not None:
            answer.set_exception(error)
        else:
            answer.set_result(gpus or [])

    def read() -> None:
        gpus, failure = None, None
        try:
            gpus = driver.read()
        except Exception as error:
            failure = error
        with contextlib.suppress(RuntimeError):  # the loop is closed: the service has ended
            loop.call_soon_threadsafe(deliver, gpus, failure)

    threading.Thread(target=read, name="seacod-gpu", daemon=True).start()
    return answer
