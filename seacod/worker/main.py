"""The worker process: what it inherits, and what must be set before anything is imported.

`python -m seacod worker`, started by the supervisor only: everything it needs comes through the
environment and two inherited descriptors. It ends when the supervisor does.
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

from seacod import logs, metrics, protocol
from seacod.accelerators.registry import all_accelerators
from seacod.config.schema import Settings
from seacod.config.secrets import remember_all
from seacod.errors import EX_SOFTWARE, EX_USAGE
from seacod.paths import Paths
from seacod.system.parent_death import die_with
from seacod.worker.application import WorkerApplication
from seacod.worker.control import ControlChannel
from seacod.worker.neighbours import Neighbours


def run_worker() -> int:
    """Be the worker until told to stop; returns the exit code."""
    try:
        settings = Settings.model_validate_json(os.environ[protocol.ENV_SETTINGS])
        listen_fd = int(os.environ[protocol.ENV_LISTEN_FD])
        control_fd = int(os.environ[protocol.ENV_CONTROL_FD])
        supervisor_pid = int(os.environ[protocol.ENV_SUPERVISOR_PID])
        slot = os.environ[protocol.ENV_SLOT]
        replicas = int(os.environ.get(protocol.ENV_SEATS, "1"))
        is_spare = bool(os.environ.get(protocol.ENV_SPARE))
    except (KeyError, ValueError):
        print("seacod worker is started by 'seacod run', not by hand", file=sys.stderr)  # noqa: T201
        return EX_USAGE
    if not die_with(supervisor_pid):
        os._exit(EX_SOFTWARE)
    # Ctrl-C is the supervisor's to handle; it tells us.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    faulthandler.register(signal.SIGUSR2, all_threads=True)
    logs.configure(settings.log, "worker")
    remember_all(settings)
    paths = Paths.resolve(settings)
    _prepare(settings, paths, slot)
    listener = socket.socket(fileno=listen_fd)
    control = socket.socket(fileno=control_fd)
    neighbours = Neighbours(paths, slot, replicas) if replicas > 1 else None
    worker = WorkerApplication(
        settings, paths, listener, ControlChannel(control), neighbours, is_spare=is_spare
    )
    code = asyncio.run(worker.run())
    # The inference thread may sit in a call that never ends; it does not keep the process.
    logs.flush()
    os._exit(code)


def _prepare(settings: Settings, paths: Paths, slot: str) -> None:
    """Set what must be set before the libraries are imported."""
    metrics.use_directory(paths.runtime, slot)
    # Uploads spool here, not in the system's /tmp.
    tempfile.tempdir = str(paths.temp)
    # Gradio's pydub looks for the ffmpeg program; we decode with PyAV and need none.
    warnings.filterwarnings("ignore", message=".*ffmpeg.*", category=RuntimeWarning)
    os.environ.update(
        GRADIO_ANALYTICS_ENABLED="False",
        GRADIO_TEMP_DIR=str(paths.gradio),
        HF_HUB_OFFLINE="1",
        HF_HUB_DISABLE_TELEMETRY="1",
        DO_NOT_TRACK="1",
        MODELSCOPE_CACHE=str(paths.models),
        TOKENIZERS_PARALLELISM="false",
    )
    for accelerator in all_accelerators():
        os.environ.update(accelerator.worker_environment)
    if settings.asr.cpu_threads:
        os.environ["OMP_NUM_THREADS"] = str(settings.asr.cpu_threads)
