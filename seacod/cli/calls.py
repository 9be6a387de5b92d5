"""From the options of each command to what does it.

Heavy modules are imported by the command that needs them: `seacod status` must be quick, and the
supervisor's side must stay free of torch.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from seacod.config import load_settings
from seacod.errors import EX_OK, BadRequest


def run(options: argparse.Namespace) -> int:
    from seacod.cli import run

    return run.run(options)


def worker(options: argparse.Namespace) -> int:
    from seacod.worker.main import run_worker

    return run_worker()


def status(options: argparse.Namespace) -> int:
    from seacod.cli import status

    return status.run(
        options.config, as_json=options.json, every_seconds=options.watch, hosts=options.host,
        key=_key(options),
    )  # fmt: skip


def check(options: argparse.Namespace) -> int:
    from seacod.cli import check

    return check.check(
        options.config, options.items, _key(options), sends=options.send, as_json=options.json
    )


def drill(options: argparse.Namespace) -> int:
    from seacod.cli import drill

    if options.list or options.name is None:
        return drill.listing()
    return drill.drill(
        options.name, options.config, _key(options), is_confirmed=options.yes, as_json=options.json
    )


def soak(options: argparse.Namespace) -> int:
    from seacod.cli import soak

    return soak.soak(
        options.config, _key(options), options.hours, options.speed, options.drills,
        options.recordings, options.output, as_json=options.json,
    )  # fmt: skip


def reload(options: argparse.Namespace) -> int:
    from seacod.client import status_socket

    told = status_socket.reload(options.config)
    for keys, words in (
        (told["live"], "in use now"),
        (told["replaced"], "in use now, by a new worker"),
        (told["needs_restart"], "only with: systemctl restart seacod"),
    ):
        for key in keys:
            print(f"{key}: {words}")
    if not (told["live"] or told["replaced"] or told["needs_restart"]):
        print("nothing has changed")
    return EX_OK


def alerts(options: argparse.Namespace) -> int:
    from seacod.cli import alerts

    return alerts.kinds() if options.kinds else alerts.show(options.config, as_json=options.json)


def runbook(options: argparse.Namespace) -> int:
    from seacod.cli import runbook

    return runbook.runbook(options.name)


def test_alert(options: argparse.Namespace) -> int:
    from seacod.cli import alerts

    return alerts.test(options.config, options.channels or [])


def crashes(options: argparse.Namespace) -> int:
    from seacod.cli import alerts

    return alerts.show_crashes(options.config, as_json=options.json)


def transcribe(options: argparse.Namespace) -> int:
    if options.ray is not None:
        return _transcribe_on_ray(options)
    from seacod.cli.transcribe.command import Wishes, transcribe

    output = Path(options.output) if options.output else None
    return transcribe(
        Wishes(
            options.files, output, options.format, options.hotwords, options.url,
            _key(options), options.local, options.model,
            options.config, options.again,
        )
    )  # fmt: skip


def _transcribe_on_ray(options: argparse.Namespace) -> int:
    from seacod.archive.command import Archive, transcribe

    if not options.output:
        raise BadRequest(
            "--ray needs -o: where the texts and the manifest go",
            "--ray 需要用 -o 指定结果与清单的存放位置",
        )
    return transcribe(
        Archive(
            options.files, options.output, options.format, options.hotwords, options.ray,
            options.model, options.config, options.again, options.metrics_port,
        )
    )  # fmt: skip


def report(options: argparse.Namespace) -> int:
    from seacod.cli import report

    log_file = options.log or load_settings(options.config).log.file
    return report.report(options.since, log_file, max(1, options.count), as_json=options.json)


def dashboard(options: argparse.Namespace) -> int:
    from importlib import resources

    made = resources.files("seacod.metrics").joinpath("dashboard.json")
    print(made.read_text("utf-8"), end="")
    return EX_OK


def config_check(options: argparse.Namespace) -> int:
    from seacod.config.load import find_file
    from seacod.config.reach import check

    check(load_settings(options.file), options.file)
    file = find_file(options.file)
    print(f"{file or 'defaults (there is no configuration file)'}: good")
    return EX_OK


def config_show(options: argparse.Namespace) -> int:
    from seacod.config import render

    print(render.show(load_settings(options.file)), end="")
    return EX_OK


def config_example(options: argparse.Namespace) -> int:
    from seacod.config import render

    print(render.example(), end="")
    return EX_OK


def access_key(options: argparse.Namespace) -> int:
    from seacod.cli import access

    return access.key(options.name)


def access_user(options: argparse.Namespace) -> int:
    from seacod.cli import access

    return access.user(options.name)


def bench_restart(options: argparse.Namespace) -> int:
    from seacod.cli import bench

    return bench.restart(options.model, max(1, options.rounds), as_json=options.json)


def bench_supervisor(options: argparse.Namespace) -> int:
    from seacod.cli import bench

    return bench.supervisor(options.model, max(1.0, options.seconds), as_json=options.json)


def bench_throughput(options: argparse.Namespace) -> int:
    from seacod.cli import bench

    return bench.throughput(
        options.model, options.device, options.clients, max(1.0, options.seconds), options.output,
        as_json=options.json,
    )  # fmt: skip


def bench_long_audio(options: argparse.Namespace) -> int:
    from seacod.cli import bench

    return bench.long_audio(options.model, max(0.1, options.hours), as_json=options.json)


def bench_scaling(options: argparse.Namespace) -> int:
    from seacod.cli import bench

    return bench.scaling(
        options.model, options.device, options.workers, max(1, options.threads),
        max(1, options.clients), options.seconds, max(1, options.rounds), options.output,
        as_json=options.json,
    )  # fmt: skip


def bench_live(options: argparse.Namespace) -> int:
    from seacod.cli import bench

    return bench.live(
        options.model, options.device, options.microphones, max(1, options.rounds),
        as_json=options.json,
    )  # fmt: skip


def bench_engine(options: argparse.Namespace) -> int:
    from seacod.cli import bench

    return bench.engine(options.config, options.model, tune=options.tune, as_json=options.json)


def model_fetch(options: argparse.Namespace) -> int:
    from seacod import logs
    from seacod.models.fetch import fetch_command

    settings = load_settings(options.config)
    # To standard error alone: the service's log file may belong to another user.
    logs.configure(settings.log.model_copy(update={"file": None}), "client")
    return fetch_command(options.name, settings)


# What runs the service, rather than asks it.
DAEMONS = (run, worker)


def _key(options: argparse.Namespace) -> str | None:
    """The API key: of the option, else of the environment, where other users do not see it."""
    key: str | None = options.key or os.environ.get("SEACOD_API_KEY")
    return key
