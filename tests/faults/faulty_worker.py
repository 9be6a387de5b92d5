"""The real nursery, real model and all, whose workers can be made to fail in ways no signal can.

A thread of the worker looks for a file `fault-PID` in the directory SEACOD_TEST_FAULTS, does what
it says and removes it. `start-fault` holds for every worker from its start on. A worker that is
`held` recognises nothing while the file `hold-PID` is there.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any

DIRECTORY = Path(os.environ["SEACOD_TEST_FAULTS"])
FOREVER_SECONDS = 3600
_ENDLESS = ("hold_gil", "eat_memory", "exit_0")


def main() -> int:
    import seacod.worker.application as module
    import seacod.worker.main as real

    workers: list[module.WorkerApplication] = []
    begin, live = module.WorkerApplication.__init__, real.be_worker

    def remembered(self: module.WorkerApplication, *arguments: Any, **options: Any) -> None:
        begin(self, *arguments, **options)
        workers.append(self)

    def be_faulty(*arguments: Any) -> int:
        """In the worker, after the fork: a nursery may have no thread."""
        fault = _read(DIRECTORY / "start-fault")
        if fault == "exit_at_start":
            print("this worker was told to fail at its start", file=sys.stderr)
            return 1
        if fault == "poison":
            _die_of_poison()
        if fault == "die_on_serve":
            module.WorkerApplication._serve = _end_at_once  # type: ignore[method-assign]
        if fault == "never_ready":
            print("this worker was told never to be ready", file=sys.stderr, flush=True)
            module.Preparation.place = _for_ever  # type: ignore[method-assign]
        threading.Thread(target=_watch, args=(workers,), name="saboteur", daemon=True).start()
        return live(*arguments)

    module.WorkerApplication.__init__ = remembered  # type: ignore[method-assign]
    real.be_worker = be_faulty
    return real.run_nursery()


async def _end_at_once(*_: Any) -> int:
    os._exit(3)


def _for_ever(*_: Any) -> None:
    time.sleep(FOREVER_SECONDS)


def _die_of_poison() -> None:
    """A recording named poison ends the worker when it is with the model, as a crash inside a
    library would."""
    from seacod.asr.scheduler import Scheduler

    real = Scheduler._recognise

    def recognise(self: Scheduler, engine: Any, batch: Any) -> None:
        if any(getattr(piece.request, "name", "").startswith("poison") for piece in batch):
            os.kill(os.getpid(), signal.SIGSEGV)
        real(self, engine, batch)

    Scheduler._recognise = recognise  # type: ignore[method-assign]


def _fail_recognising(fault: str, engine: Any) -> None:
    from seacod.errors import OutOfMemory

    engine.__dict__.pop("recognise", None)
    real = engine.recognise

    def recognise(pieces: Any, hotwords: Any = None) -> Any:
        if fault == "held":
            # No time that a busy machine could let pass: until the test says so.
            while (DIRECTORY / f"hold-{os.getpid()}").exists():
                time.sleep(0.01)
        elif fault == "no_room_at_all" or len(pieces) > 1:
            raise OutOfMemory("this does not fit, says a test", "测试")
        return real(pieces, hotwords)

    engine.recognise = recognise


def _read(path: Path) -> str:
    return path.read_text() if path.exists() else ""


def _watch(workers: list[Any]) -> None:
    mine = DIRECTORY / f"fault-{os.getpid()}"
    while True:
        if mine.exists():
            fault = mine.read_text()
            # The file is there until it is done; where it never is, it goes first.
            if fault in _ENDLESS:
                mine.unlink()
            _fail(fault, workers[0])
            mine.unlink(missing_ok=True)
        time.sleep(0.01)


def _fail(fault: str, worker: Any) -> None:
    if fault == "hold_gil":
        # PyDLL keeps the interpreter lock during the call: nothing of Python runs any more.
        ctypes.PyDLL(None).sleep(FOREVER_SECONDS)
    elif fault == "block_loop":
        worker._loop.call_soon_threadsafe(time.sleep, FOREVER_SECONDS)
    elif fault == "stuck":
        worker._parts.service.engine.recognise = lambda *_: time.sleep(FOREVER_SECONDS)
    elif fault in ("no_room_for_two", "no_room_at_all", "held"):
        _fail_recognising(fault, worker._parts.service.engine)
    elif fault == "room_again":
        del worker._parts.service.engine.recognise
    elif fault == "deaf":
        for acceptor in worker._parts.server._acceptors:
            worker._loop.call_soon_threadsafe(worker._loop.remove_reader, acceptor._listening)
    elif fault == "eat_memory":
        # In pieces, each touched, until somebody stops us.
        eaten = []
        while True:
            eaten.append(b"x" * (16 << 20))
    elif fault == "garbage":
        worker._loop.call_soon_threadsafe(
            worker._control._writer.write, b'\x00\xff nonsense\n{"type":7}\n'
        )
    elif fault == "exit_0":
        os._exit(0)
    else:
        raise AssertionError(f"no such fault: {fault}")


if __name__ == "__main__":
    sys.exit(main())
