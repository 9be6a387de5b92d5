"""`seacod transcribe ... --ray auto|local|ADDRESS`."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import socket
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from seacod import logs
from seacod.archive import inputs, progress
from seacod.archive.actor import TranscriptionActor
from seacod.archive.ledger import MANIFEST, ArchiveLedger
from seacod.archive.pool import ArchiveOrder, Pool
from seacod.asr.choice import SoundChoice
from seacod.config import Settings, load_settings
from seacod.errors import EX_FAILURE, EX_OK, BadRequest, ConfigError, NotRunning
from seacod.formats import asked, registry
from seacod.system import object_store
from seacod.system.remote_files import RemoteFiles, access_of_engines
from seacod.system.terminal import in_language
from seacod.system.words import reason

# What the settings allow at most: it is not a request that others wait behind.
_LONGEST_SECONDS = 86_400.0
_KNOCK_SECONDS = 5.0
_BIGGEST_BYTES = 16 << 30


@dataclass(frozen=True, slots=True)
class Archive:
    """The options of the command; see `seacod transcribe --help`."""

    given: Sequence[str]
    output: str
    format: str
    hotwords: str
    choice: SoundChoice
    ray: str
    model: str
    config: Path | None
    is_again: bool
    metrics_port: int
    said: Mapping[str, str] = field(default_factory=dict)
    s3_endpoint: str = ""


def transcribe(archive: Archive, actor: type[Any] = TranscriptionActor) -> int:
    """Transcribe all recordings, and write a manifest of what became of each.

    Args:
        actor: the actor's class; tests have one that dies.

    Returns:
        0 when all of them have a text, 1 when some have none.

    Raises:
        SeacodError: nothing can be done: no recording, no cluster, no engine.
    """
    wanted = registry.chosen("--format", archive.format, registry.all_formats())
    choice = archive.choice.for_format(wanted.needs_speakers)
    asked.choices(archive.said)
    access = object_store.access(os.environ, archive.s3_endpoint)
    remote = RemoteFiles(access)
    items = inputs.items(archive.given, wanted, remote)
    ledger = ArchiveLedger(archive.output, remote)
    settings = _settings(archive)
    logs.configure(settings.log, "worker")
    # Ray tells there of nodes that are lost, and the standard output is for the summary alone.
    with contextlib.redirect_stdout(sys.stderr):
        ray = _connected(archive.ray)
        so_far = progress.ArchiveProgress(len(items), sum(item.size_bytes or 0 for item in items))
        serving = _serve_metrics(so_far, archive.metrics_port)
        try:
            count, resources = _places(ray, settings)
            print(_beginning(len(items), count, resources, ray), file=sys.stderr)
            actor = ray.remote(actor).options(**resources, max_restarts=0, max_concurrency=16)
            body = settings.model_dump_json()
            order = ArchiveOrder(
                wanted, archive.hotwords, choice, archive.is_again, archive.ray == "local"
            )
            said = dict(archive.said)
            theirs = access_of_engines(access, (item.source for item in items))
            pool = Pool(
                ray, lambda: actor.remote(body, wanted.name, said, theirs), count, items, order,
                ledger, so_far,
            )  # fmt: skip
            teller = progress.Teller(so_far)
            try:
                pool.run(teller.tell)
            finally:
                teller.close()
        finally:
            ledger.close()
            ray.shutdown()
            if serving is not None:
                serving.shutdown()
    told = progress.summary(so_far)
    print(so_far.sentence(), file=sys.stderr)
    print(json.dumps(told, ensure_ascii=False))
    remarked = sum(bool(entry.warnings) for entry in ledger.entries.values())
    if remarked:
        print(
            in_language(
                f"{remarked} have warnings, which are in {archive.output}/{MANIFEST}",
                f"{remarked} 个文件有提示信息，见 {archive.output}/{MANIFEST}",
            ),
            file=sys.stderr,
        )
    failed = so_far.states["failed"] + so_far.states["poison"]
    if failed:
        print(
            in_language(
                f"{failed} have no text; {archive.output}/{MANIFEST} says why, and the same "
                "command tries them again",
                f"{failed} 个文件没有结果，原因见 {archive.output}/{MANIFEST}；"
                "重新运行同一命令即可重试",
            ),
            file=sys.stderr,
        )
    return EX_FAILURE if failed else EX_OK


def _settings(archive: Archive) -> Settings:
    """The settings of the engines: one core each where there is no GPU, and none of a service's
    limits."""
    base = load_settings(archive.config, default_file=None)
    asr: dict[str, Any] = {"cpu_threads": base.asr.cpu_threads or 1}
    if archive.config is None or archive.model != "builtin":
        asr["model"] = archive.model
    limits = {
        "max_audio_seconds": _LONGEST_SECONDS,
        "max_upload_bytes": _BIGGEST_BYTES,
        "long_audio": "stream",
    }
    return base.model_copy(
        update={
            "asr": base.asr.model_copy(update=asr),
            "limits": base.limits.model_copy(update=limits),
            "log": base.log.model_copy(update={"level": "warning", "file": None}),
        }
    )


def _connected(address: str) -> Any:
    """Connect Ray to the cluster.

    Raises:
        ConfigError: it is not installed.
        NotRunning: no cluster answers at this address.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    # Whoever cannot import our package here cannot there either: no copy of it travels.
    os.environ.setdefault("RAY_ENABLE_UV_RUN_RUNTIME_ENV", "0")
    if address not in ("auto", "local"):
        _knock(address)
    try:
        import ray
    except ImportError:
        raise ConfigError(
            "--ray needs Ray: install seacod[ray], on every node the same version "
            "(pip install ray fsspec obstore in seacod's environment)",
            "--ray 需要 Ray：请在每个节点安装 seacod[ray]"
            "（在 seacod 的环境中 pip install ray fsspec obstore）",
        ) from None
    logging.getLogger("ray").setLevel(logging.ERROR)
    quietly = {"log_to_driver": False, "logging_level": "ERROR", "configure_logging": False}
    try:
        if address == "local":
            ray.init(address="local", include_dashboard=False, **quietly)
        else:
            ray.init(address=address, **quietly)
    except (ConnectionError, ValueError, RuntimeError, TimeoutError) as error:
        raise _no_cluster(address, str(error).splitlines()[0]) from None
    return ray


def _knock(address: str) -> None:
    """See whether the address answers, since Ray itself would try for minutes.

    Raises:
        BadRequest: the address cannot be understood.
        NotRunning: nobody listens there.
    """
    place = urlsplit(address if "://" in address else f"//{address}")
    try:
        port = place.port
    except ValueError:
        port = None
    if not place.hostname or port is None:
        raise BadRequest(
            f"--ray {address}: not the address of a cluster; write HOST:PORT, auto or local",
            f"--ray {address}：地址无效；请写 主机:端口、auto 或 local",
        )
    try:
        socket.create_connection((place.hostname, port), _KNOCK_SECONDS).close()
    except OSError as error:
        raise _no_cluster(address, reason(error)[0]) from None


def _no_cluster(address: str, cause: str) -> NotRunning:
    return NotRunning(
        f"--ray {address}: no Ray cluster answers ({cause}); start one with 'ray start --head', "
        "or use --ray local",
        f"--ray {address}：没有可用的 Ray 集群；请先运行 ray start --head，或使用 --ray local",
    )


def _places(ray: Any, settings: Settings) -> tuple[int, dict[str, Any]]:
    """Decide how many engines there are, and what each is given: a GPU, or cores.

    Raises:
        BadRequest: the cluster has neither.
    """
    there = ray.cluster_resources()
    gpus = 0 if settings.asr.device == "cpu" else int(there.get("GPU", 0))
    if gpus:
        return gpus, {"num_gpus": 1, "num_cpus": 0}
    threads = settings.asr.cpu_threads
    count = int(there.get("CPU", 0)) // threads
    if not count:
        raise BadRequest(
            f"--ray: the cluster has no GPU, and fewer than {threads} cores (asr.cpu_threads)",
            f"--ray：集群没有 GPU，且 CPU 核心少于 {threads} 个（asr.cpu_threads）",
        )
    return count, {"num_cpus": threads}


def _beginning(files: int, count: int, resources: dict[str, Any], ray: Any) -> str:
    nodes = sum(node["Alive"] for node in ray.nodes())
    on = "GPU" if "num_gpus" in resources else "CPU"
    return in_language(
        f"{files} files, {count} engines ({on}) on {nodes} nodes",
        f"{files} 个文件，{nodes} 个节点上共 {count} 个引擎（{on}）",
    )


def _serve_metrics(so_far: progress.ArchiveProgress, port: int) -> Any:
    """Serve the metrics while the archive is transcribed; None when no port was given."""
    if not port:
        return None
    from prometheus_client import start_http_server

    server, _ = start_http_server(port, registry=progress.registry(so_far))
    return server
