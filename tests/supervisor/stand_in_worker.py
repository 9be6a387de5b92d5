"""A nursery that has loaded in a tenth of a second, and workers forked from it: the real forking,
the real control channel and the real socket, no model. For tests of the supervisor's decisions
only; tests/worker, tests/system and tests/browser use the real one.

How a worker behaves is read before each fork from the file named by STAND_IN_PLAN (JSON), with
`times` only so often: exit_at_start (code), exit_with_cpu_threads (only with this setting, with
78), exit_on_serve, never_ready, ignore_term, ignore_drain, garbage, answer_seconds, answers_when
(this file is there); what it says of itself: device, running, says (on its output),
gpu_reserved_bytes, beat (fields of every beat), beat_step (fields that grow with every beat),
leak_bytes (kept, with every beat), tell_fault (kind, words); for hangs: blocked (the event loop
stands still in C), progress_age_seconds (of every beat), deaf (no HTTP answer). It answers every
request 200 with its pid. What a nursery does once, at the next request, is `nursery` in the same
file: dies, thread, leaks, grows, cannot_fork; or threads, at every load. It maps the file named by
`maps`; `spawns`: a worker starts a process that ends when it does.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import errno
import faulthandler
import hashlib
import json
import mmap
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from seacod import protocol
from seacod.paths import Paths
from seacod.shared_load import SLOTS_A_REPLICA
from seacod.system.net.acceptor import unix_socket
from seacod.system.processes.parent_death import die_with
from seacod.with_model import ModelTable, WithModel
from seacod.worker.nursery import Nursery
from seacod.worker.waiting import Inheritance


def _plan() -> dict[str, object]:
    path = Path(os.environ["STAND_IN_PLAN"])
    return json.loads(path.read_text()) if path.exists() else {}


class StandInNursery(Nursery):
    """Fails as planned, and tells each worker its plan: nobody can come too late with another."""

    kept: list[object] = []

    def _answer_fork(self, order: bytes) -> None:
        plan = _plan()
        how = plan.pop("nursery", None)
        times = int(str(plan.get("times", 0)))
        if how not in (None, "threads") or times:
            left = {**plan, "times": times - 1} if times > 1 else {} if times else plan
            Path(os.environ["STAND_IN_PLAN"]).write_text(json.dumps(left))
        message = protocol.decode(order)
        assert isinstance(message, protocol.Fork)
        environment = {**message.environment, "STAND_IN_TOLD": json.dumps(plan)}
        with self._failing(how):
            super()._answer_fork(protocol.encode(replace(message, environment=environment)))

    @contextlib.contextmanager
    def _failing(self, how: object) -> Iterator[None]:
        if how == "dies":
            os._exit(9)
        elif how == "thread":
            threading.Thread(target=threading.Event().wait, daemon=True).start()
        elif how == "leaks":
            self.kept.append(os.open("/dev/null", os.O_RDONLY))
        elif how == "grows":
            self.kept.append(b"x" * (600 << 20))
        elif how == "cannot_fork":
            if self._ahead is not None:
                self._ahead.close()
            real, os.fork = os.fork, _no_more_processes
            try:
                yield
            finally:
                os.fork = real
            return
        yield


def _no_more_processes() -> int:
    raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN))


def _load() -> None:
    plan = _plan()
    if "maps" in plan:
        with open(str(plan["maps"]), "rb") as file:
            StandInNursery.kept.append(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
    if plan.get("nursery") == "threads" and not os.environ.get(protocol.ENV_COLD):
        threading.Thread(target=threading.Event().wait, daemon=True).start()


def _run_nursery() -> int:
    supervisor_pid = int(os.environ[protocol.ENV_SUPERVISOR_PID])
    if not die_with(supervisor_pid):
        return 1
    channel = socket.socket(fileno=int(os.environ[protocol.ENV_NURSERY_FD]))
    nursery = StandInNursery(channel, supervisor_pid, lambda given: asyncio.run(_main(given)))
    return nursery.serve(_load)


async def _is_there(file: Path) -> None:
    while not file.exists():  # noqa: ASYNC110
        await asyncio.sleep(0.01)


async def _main(given: Inheritance) -> int:
    plan = json.loads(os.environ["STAND_IN_TOLD"])
    faulthandler.register(signal.SIGUSR2, all_threads=True)
    reader, writer = await asyncio.open_connection(sock=given.control)
    settings = given.settings

    async def told() -> protocol.Message | None:
        line = await reader.readline()
        return protocol.decode(line) if line else None

    print("stand-in worker says hello on stderr", file=sys.stderr, flush=True)
    print(plan.get("says", ""), file=sys.stderr, flush=True)
    if plan.get("ignore_term"):
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    else:
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, lambda: os._exit(0))
    if "exit_with_cpu_threads" in plan:
        if plan["exit_with_cpu_threads"] == settings.asr.cpu_threads:
            plan["exit_at_start"] = 78
        else:
            plan.pop("fault", None)
    if plan.get("fault"):
        writer.write(protocol.encode(protocol.Fault("model", str(plan["fault"]), None)))
        await writer.drain()
    if "exit_at_start" in plan:
        return int(str(plan["exit_at_start"]))
    if plan.get("garbage"):
        writer.write(b"\x00\xffnonsense\n" + b'{"type":"beat"}\n' + b'{"type":"serve"}\n')
    if plan.get("never_ready"):
        await asyncio.sleep(3600)
    writer.write(protocol.encode(protocol.Stage("pretending to load", "假装加载")))
    device = str(plan.get("device", "cpu"))
    writer.write(protocol.encode(protocol.Ready("stand-in", device, 0.1)))
    if "tell_fault" in plan:
        kind, words = plan["tell_fault"]  # type: ignore[misc]
        writer.write(protocol.encode(protocol.Fault(kind, words, None)))

    servers: list[asyncio.AbstractServer] = []
    in_flight: set[asyncio.Task[None]] = set()

    async def answer(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        in_flight.add(task)
        try:
            await source.readuntil(b"\r\n\r\n")
            if plan.get("deaf"):
                await asyncio.sleep(3600)
            await asyncio.sleep(float(str(plan.get("answer_seconds", 0))))
            if "answers_when" in plan:
                await _is_there(Path(str(plan["answers_when"])))
            body = json.dumps({"pid": os.getpid()}).encode()
            sink.write(
                b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n"
                + f"Content-Length: {len(body)}\r\n\r\n".encode()
                + body
            )
            await sink.drain()
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            sink.close()
            in_flight.discard(task)

    if plan.get("spawns"):
        subprocess.Popen(  # noqa: ASYNC220
            ["sleep", "3600"], preexec_fn=lambda: die_with(os.getppid())
        )
    if running := str(plan.get("running", "")):
        number = int(given.slot.removeprefix("worker"))
        table = ModelTable(
            Paths.resolve(settings).with_model, given.replicas * SLOTS_A_REPLICA, number
        )
        table.write([WithModel(hashlib.sha256(running.encode()).hexdigest(), running)])
    print("sees", os.environ.get("CUDA_VISIBLE_DEVICES"), file=sys.stderr, flush=True)
    # Of a forked process /proc shows the environment of whom it was forked from.
    if "ACME_VISIBLE" in os.environ:
        print(os.getpid(), "has", os.environ["ACME_VISIBLE"], file=sys.stderr, flush=True)
    leaked: list[bytes] = []

    async def beat() -> None:
        beats = 0
        while True:
            beats += 1
            leaked.append(b"x" * int(str(plan.get("leak_bytes", 0))))
            steps: dict[str, int] = dict(plan.get("beat_step", {}))  # type: ignore[call-overload]
            age = float(str(plan.get("progress_age_seconds", 0)))
            told_beat = {
                "in_flight": len(in_flight), "queue_depth": 0, "oldest_seconds": age,
                "progress_age_seconds": age, "running": str(plan.get("running", "")),
                "gpu_reserved_bytes": int(str(plan.get("gpu_reserved_bytes", 0))),
                **dict(plan.get("beat", {})),  # type: ignore[call-overload]
                **{key: step * beats for key, step in steps.items()},
            }  # fmt: skip
            writer.write(protocol.encode(protocol.Beat(**told_beat)))
            await asyncio.sleep(0.2)

    beating = asyncio.ensure_future(beat())
    while message := await told():
        if isinstance(message, protocol.ReleaseGpuCache):
            print("told the worker: release_gpu_cache", file=sys.stderr, flush=True)
        if isinstance(message, protocol.Blame):
            print(f"told the worker: blame {message.pid}", file=sys.stderr, flush=True)
        if isinstance(message, protocol.Reload):
            for key, value in message.changes.items():
                print(f"told the worker: {key}={value}", file=sys.stderr, flush=True)
        if isinstance(message, protocol.Serve):
            for one in given.listeners:
                is_unix = one.family == socket.AF_UNIX
                begin = asyncio.start_unix_server if is_unix else asyncio.start_server
                servers.append(await begin(answer, sock=one))
            if given.replicas > 1:
                own = Paths.resolve(settings).worker_socket(given.slot)
                await asyncio.start_unix_server(answer, sock=unix_socket(own))
            if plan.get("blocked"):
                # PyDLL keeps the interpreter lock during the call: nothing of Python runs.
                ctypes.PyDLL(None).sleep(3600)
        elif isinstance(message, protocol.DrainMessage) and not plan.get("ignore_drain"):
            for server in servers:
                for listening in server.sockets:
                    asyncio.get_running_loop().remove_reader(listening.fileno())
            # What the loop has just accepted gets its transport before the servers close.
            await asyncio.sleep(0.05)
            for server in servers:
                server.close()
            if in_flight:
                await asyncio.wait(in_flight, timeout=message.timeout_seconds)
            writer.write(protocol.encode(protocol.Drained(0, len(in_flight))))
            await writer.drain()
            beating.cancel()
            return 0
    return 1


if __name__ == "__main__":
    sys.exit(_run_nursery())
