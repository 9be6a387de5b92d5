"""The processes of the worker's side: what a nursery loads, and what a worker is.

`python -m seacod worker` is the nursery, started by the supervisor only; workers are forked from it
and end when the supervisor does.
"""

from __future__ import annotations

import asyncio
import faulthandler
import os
import signal
import socket
import sys
import tempfile
import warnings
from collections.abc import Iterator

from seacod import logs, metrics, protocol
from seacod.accelerators.registry import all_accelerators
from seacod.asr.decoder.births import SharedDecoderNursery
from seacod.config.in_use import SettingsInUse
from seacod.config.schema import Settings
from seacod.config.secrets import remember_all
from seacod.errors import EX_SOFTWARE, EX_USAGE
from seacod.paths import Paths
from seacod.shared_load import SLOTS_A_REPLICA
from seacod.system.processes import page_tables
from seacod.system.processes.parent_death import die_with
from seacod.system.text.terminal import print_words
from seacod.with_model import ModelTable
from seacod.worker import rehearsal
from seacod.worker.application import WorkerApplication
from seacod.worker.assembly import Surroundings
from seacod.worker.control import ControlChannel
from seacod.worker.neighbours import Neighbours
from seacod.worker.nursery import Nursery
from seacod.worker.startup import Loaded, Preparation
from seacod.worker.waiting import Inheritance


def run_nursery() -> int:
    """Be a nursery until the supervisor is gone; returns the exit code."""
    try:
        settings = Settings.model_validate_json(os.environ[protocol.ENV_SETTINGS])
        channel = socket.socket(fileno=int(os.environ[protocol.ENV_NURSERY_FD]))
        supervisor_pid = int(os.environ[protocol.ENV_SUPERVISOR_PID])
    except (KeyError, ValueError):
        print_words(
            "seacod worker is started by 'seacod run', not by hand",
            "seacod worker 由 seacod run 启动，不应手动运行",
            to=sys.stderr,
        )
        return EX_USAGE
    if not die_with(supervisor_pid):
        return EX_SOFTWARE
    # Ctrl-C is the supervisor's to handle; it tells us.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    logs.configure(settings.log, "worker")
    remember_all(settings)
    paths = Paths.resolve(settings)
    _prepare(paths)
    loaded: list[Loaded] = []
    spans: list[page_tables.AddressSpan] = []

    def load() -> None:
        if not os.environ.get(protocol.ENV_COLD):
            loaded.append(Preparation(settings, paths, nursery.say).load())
            spans.extend(page_tables.used_of_files())

    def prepare() -> Iterator[None]:
        """What a worker touches first."""
        if loaded:
            page_tables.enter(spans)
            yield
            for step in rehearsal.STEPS:
                step(settings, paths)
                yield

    decoders = SharedDecoderNursery()
    decoders.start()
    nursery = Nursery(
        channel,
        supervisor_pid,
        lambda given: be_worker(given, loaded[0] if loaded else None),
        decoders,
        prepare,
    )
    return nursery.serve(load)


def be_worker(given: Inheritance, loaded: Loaded | None) -> int:
    """Serve until told to stop; returns the exit code.

    Args:
        given: by the supervisor, at the fork.
        loaded: by the nursery; None when it has nothing.
    """
    faulthandler.register(signal.SIGUSR2, all_threads=True)
    logs.configure(given.settings.log, "worker")
    number = int(given.slot.removeprefix("worker"))
    replica = number // SLOTS_A_REPLICA + 1
    logs.identify(pid=os.getpid(), worker=replica)
    paths = Paths.resolve(given.settings)
    metrics.use_directory(paths.runtime, given.slot)
    neighbours = Neighbours(paths, given.slot, given.replicas) if given.replicas > 1 else None
    table = ModelTable(paths.with_model, given.replicas * SLOTS_A_REPLICA, number)
    around = Surroundings(
        SettingsInUse(given.settings),
        paths,
        given.listeners,
        given.funasr,
        ControlChannel(given.control),
        neighbours,
        table,
        given.decoder_nursery,
        replica,
    )
    code = asyncio.run(WorkerApplication(around, loaded).run())
    # The inference thread may sit in a call that never ends; it does not keep the process.
    logs.flush()
    os._exit(code)


def _prepare(paths: Paths) -> None:
    """Set what must be set before the libraries are imported."""
    # Uploads spool here, not in the system's /tmp.
    tempfile.tempdir = str(paths.temp)
    # FunASR's pydub looks for the ffmpeg program; we decode with PyAV and need none.
    warnings.filterwarnings("ignore", message=".*ffmpeg.*", category=RuntimeWarning)
    os.environ.update(
        GRADIO_ANALYTICS_ENABLED="False",
        GRADIO_TEMP_DIR=str(paths.gradio),
        HF_HUB_OFFLINE="1",
        HF_HUB_DISABLE_TELEMETRY="1",
        DO_NOT_TRACK="1",
        MODELSCOPE_CACHE=str(paths.models),
        TOKENIZERS_PARALLELISM="false",
        # No library may start threads where workers are forked; workers set theirs by themselves.
        OMP_NUM_THREADS="1",
        OPENBLAS_NUM_THREADS="1",
        ORT_DISABLE_TELEMETRY="1",
    )
    for accelerator in all_accelerators():
        os.environ.update(accelerator.worker_environment)
