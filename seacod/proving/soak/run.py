"""The run: phase after phase, with somebody watching, and drills in between where asked for."""

from __future__ import annotations

import asyncio
import dataclasses
import signal
import time
from collections.abc import Callable, Sequence

import anyio

from seacod.errors import SeacodError
from seacod.proving.drills.catalogue import find
from seacod.proving.soak import mixes, watching
from seacod.proving.soak.ledger import SoakLedger
from seacod.proving.soak.material import Material
from seacod.proving.soak.timetable import Mix, Phase, phases
from seacod.proving.soak.work import SoakClient, connect
from seacod.proving.target import LocalService
from seacod.system.text.words import Words

Tell = Callable[[str, str], None]


async def soak(
    target: LocalService,
    hours: float,
    speed: float,
    drills: Sequence[str],
    material: Material,
    ledger: SoakLedger,
    tell: Tell,
) -> None:
    """Work until the timetable is done; everything is in the ledger, also when it is cut short.

    Args:
        target: the running service.
        hours: of the timetable.
        speed: how fast its clock runs.
        drills: names, one after the other, one in mix B of each hour.
        material: what is sent.
        ledger: empty; filled meanwhile.
        tell: told what is going on, a line at a time, in both languages.

    Raises:
        SeacodError: the service does not serve, or does not transcribe.
        asyncio.CancelledError: it was cut short by a signal.
    """
    _stop_on_signals()
    url = target.serving()["url"]
    try:
        async with connect(url, target.key) as client:
            worker = SoakClient(client, material, ledger)
            tell("learning what the recordings say", "正在了解录音内容")
            for seconds in mixes.LENGTHS:
                await worker.learn(seconds)
            ledger.service = target.serving()["worker"]
            ledger.began = time.time()
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(watching.probe, url, ledger, name="soak-probe")
                tasks.start_soon(watching.sample, target, ledger, name="soak-sample")
                begun = time.monotonic()
                for phase in phases(hours, speed):
                    tell(*_line(phase, ledger))
                    async with anyio.create_task_group() as busy:
                        if drills and phase.mix is Mix.B:
                            name = drills[phase.hour % len(drills)]
                            busy.start_soon(_drill, name, target, ledger, tell, name="soak-drill")
                        await mixes.run(phase.mix, worker, begun + phase.end)
                tasks.cancel_scope.cancel()
    finally:
        ledger.ended = time.time()


def _stop_on_signals() -> None:
    """Ctrl-C, or whoever ends us, cuts the run short; also where SIGINT was ignored (nohup)."""
    task = asyncio.current_task()
    assert task is not None
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)


async def _drill(name: str, target: LocalService, ledger: SoakLedger, tell: Tell) -> None:
    tell(f"drill {name}", f"故障演练 {name}")
    began = time.time()
    try:
        # It has threads of its own, and waits.
        result = await anyio.to_thread.run_sync(find(name).run, target)
    except SeacodError as error:
        tell(f"drill {name}: {error.message}", f"故障演练 {name}：{error.chinese}")
        return
    ledger.drills.append({**dataclasses.asdict(result), "began": began, "ended": time.time()})


def _line(phase: Phase, ledger: SoakLedger) -> Words:
    hour, mix, seconds = phase.hour + 1, phase.mix.value, phase.end - phase.begin
    pieces, restarts = len(ledger.pieces), len(ledger.restarts)
    return (
        f"hour {hour}, mix {mix}, {seconds:.0f} s; so far {pieces} pieces of work, "
        f"{restarts} restarts",
        f"第 {hour} 小时，组合 {mix}，{seconds:.0f} 秒；至此任务 {pieces} 个，重启 {restarts} 次",
    )
