"""`seacod transcribe ... --ray auto|local|ADDRESS`."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from seacod import logs
from seacod.archive import cluster, inputs, progress
from seacod.archive.actor import TranscriptionActor
from seacod.archive.ledger import MANIFEST, ArchiveLedger
from seacod.archive.pool import ArchiveOrder, Pool
from seacod.asr.choice import SoundChoice
from seacod.config.load import load_settings
from seacod.config.schema import Settings
from seacod.errors import EX_FAILURE, EX_INTERRUPTED, EX_OK, BadRequest
from seacod.formats import asked, registry
from seacod.system.net import object_store
from seacod.system.net.remote_files import RemoteFiles, access_of_engines
from seacod.system.text.terminal import in_language, print_words

# What the settings allow at most: it is not a request that others wait behind.
_LONGEST_SECONDS = 86_400.0
_BIGGEST_BYTES = 16 << 30
# What an end may take before Ctrl-C is listened to again.
_ENDING_SECONDS = 10.0


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
        0 when all of them have a text, 1 when some have none, 130 when somebody stopped it.

    Raises:
        SeacodError: nothing can be done: no recording, no cluster, no engine, another version.
    """
    wanted = registry.chosen("--format", archive.format, registry.all_formats())
    order = ArchiveOrder(
        wanted, archive.hotwords, archive.choice.for_format(wanted.needs_speakers),
        archive.is_again, archive.ray == "local",
    )  # fmt: skip
    asked.choices(archive.said)
    access = object_store.access(os.environ, archive.s3_endpoint)
    remote = RemoteFiles(access)
    items = inputs.items(archive.given, wanted, remote)
    ledger = ArchiveLedger(archive.output, remote)
    so_far = progress.ArchiveProgress(len(items), sum(item.size_bytes or 0 for item in items))
    _stop_once()
    try:
        # Ray tells there of nodes that are lost, and the standard output is for the summary alone.
        with contextlib.redirect_stdout(sys.stderr):
            _hear(archive, actor, items, order, ledger, so_far, access)
    except KeyboardInterrupt:
        print(f"\n{so_far.sentence()}\n{_goes_on(archive)}", file=sys.stderr)
        return EX_INTERRUPTED
    return _told(archive, ledger, so_far)


def _hear(
    archive: Archive,
    actor: type[Any],
    items: Sequence[inputs.Item],
    order: ArchiveOrder,
    ledger: ArchiveLedger,
    so_far: progress.ArchiveProgress,
    access: Mapping[str, str],
) -> None:
    """Have all of them heard, on engines that end with this; raises as `transcribe` does."""
    settings = _settings(archive)
    logs.configure(settings.log, "worker")
    # What is done is written down before anything of the cluster's is waited for.
    with contextlib.ExitStack() as stack, contextlib.closing(ledger):
        ray = cluster.connected(archive.ray)
        stack.callback(ray.shutdown)
        if (serving := _serve_metrics(so_far, archive.metrics_port)) is not None:
            stack.callback(serving.shutdown)
        count, resources = _places(ray, settings)
        if archive.ray != "local":
            cluster.refuse_other_versions(ray, resources)
        print(_beginning(len(items), count, resources, ray), file=sys.stderr)
        actor = ray.remote(actor).options(**resources, max_restarts=0, max_concurrency=16)
        body, said = settings.model_dump_json(), dict(archive.said)
        theirs = access_of_engines(access, (item.source for item in items))
        pool = Pool(
            ray, lambda: actor.remote(body, order.wanted.name, said, theirs), count, items, order,
            ledger, so_far,
        )  # fmt: skip
        with contextlib.closing(progress.Teller(so_far)) as teller:
            pool.run(teller.tell)


def _told(archive: Archive, ledger: ArchiveLedger, so_far: progress.ArchiveProgress) -> int:
    """Say how it ended; the code for it."""
    print(so_far.sentence(), file=sys.stderr)
    print(json.dumps(progress.summary(so_far), ensure_ascii=False))
    remarked = sum(bool(entry.warnings) for entry in ledger.entries.values())
    if remarked:
        print_words(
            f"{remarked} have warnings, which are in {archive.output}/{MANIFEST}",
            f"{remarked} 个文件有提示信息，见 {archive.output}/{MANIFEST}",
            to=sys.stderr,
        )
    failed = so_far.states["failed"] + so_far.states["poison"]
    if failed:
        print_words(
            f"{failed} have no text; {archive.output}/{MANIFEST} says why, and the same "
            "command tries them again",
            f"{failed} 个文件没有结果，原因见 {archive.output}/{MANIFEST}；"
            "重新运行同一命令即可重试",
            to=sys.stderr,
        )
    return EX_FAILURE if failed else EX_OK


def _stop_once() -> None:
    """Ctrl-C ends the run; pressed again, it does not disturb the end, which takes seconds. One
    that takes longer (a store that is away) may be ended in its turn."""
    last = -_ENDING_SECONDS

    def stop(_number: int, _frame: object) -> None:
        nonlocal last
        if time.monotonic() - last < _ENDING_SECONDS:
            return
        last = time.monotonic()
        raise KeyboardInterrupt

    # Ignored where whoever started us wanted that (nohup).
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, stop)


def _goes_on(archive: Archive) -> str:
    without, in_chinese = (" without --again", "去掉 --again 后") if archive.is_again else ("", "")
    return in_language(
        f"stopped; the same command{without} goes on where it stopped: what has its text is not "
        "heard again",
        f"已停止；{in_chinese}再次执行同一命令即从停下的地方继续：已有文字的不再识别",
    )


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


def _places(ray: Any, settings: Settings) -> tuple[int, dict[str, Any]]:
    """Decide how many engines there are, and what each is given: a GPU, or cores.

    Raises:
        BadRequest: the cluster has neither.
    """
    there = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    gpus = 0 if settings.asr.device == "cpu" else sum(int(one.get("GPU", 0)) for one in there)
    if gpus:
        return gpus, {"num_gpus": 1, "num_cpus": 0}
    threads = settings.asr.cpu_threads
    # An engine is on one node, with all its cores.
    count = sum(int(one.get("CPU", 0)) // threads for one in there)
    if not count:
        raise BadRequest(
            f"--ray: the cluster has no GPU, and no node with {threads} cores (asr.cpu_threads)",
            f"--ray：集群没有 GPU，也没有 CPU 核心达到 {threads} 个（asr.cpu_threads）的节点",
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
