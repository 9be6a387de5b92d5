"""`seacod transcribe`: one file after the other, with a bar for each; what is done is not done
again. An archive on Ray is `seacod/archive`."""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from seacod.cli import plan
from seacod.cli.options import add_config, add_key, add_url, add_wanted, api_key, wanted_of
from seacod.client import BrokenOff, Client, NoSeacod, Refused, Unreachable, status_socket
from seacod.errors import EX_FAILURE, EX_OK, BadRequest, NotRunning
from seacod.formats import asked, registry
from seacod.system.files import whole_file
from seacod.system.files.writing import writing
from seacod.system.text import terminal
from seacod.system.text.terminal import print_words
from seacod.transcript import TRIAL_MODEL, TranscriptWarning

if TYPE_CHECKING:
    from tqdm import tqdm

HELP = "transcribe recordings"


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("files", nargs="+", help="recordings, directories, wildcards")
    parser.add_argument(
        "-o", "--output", help="directory for the texts, with --ray also a URL (default: printed)"
    )
    *others, last = registry.names(registry.all_formats())
    parser.add_argument("--format", default="text", help=f"{', '.join(others)} or {last} (text)")
    add_wanted(parser)
    add_url(parser)
    add_key(parser)
    parser.add_argument(
        "--local", action="store_true", help="with an engine started for this command"
    )
    parser.add_argument("--model", default="builtin", help="asr.model of that engine (builtin)")
    parser.add_argument(
        "--again", action="store_true", help="transcribe again what is already done"
    )
    parser.add_argument(
        "--ray",
        metavar="CLUSTER",
        help="an archive on a Ray cluster, an engine on each GPU or core: auto (the one that runs "
        "here), local (this machine, nothing needs to run) or HOST:PORT; needs -o, and takes lists "
        "(.jsonl, .csv) and URLs (s3://...), too",
    )
    parser.add_argument(
        "--s3-endpoint", default="", metavar="URL",
        help="with --ray: address of an object store for s3:// that is not Amazon's "
        "(AWS_ENDPOINT_URL)",
    )  # fmt: skip
    parser.add_argument(
        "--metrics-port", type=int, default=0, help="with --ray: port for Prometheus"
    )
    add_config(parser)


def run(options: argparse.Namespace) -> int:
    """Texts of the recordings, to files or to standard output.

    Returns:
        0 when all of them have one, 1 when one was refused; each refusal is told.

    Raises:
        SeacodError: nothing can be done: a file is missing, no service answers.
    """
    if options.ray is not None:
        return _on_ray(options)
    wanted = registry.chosen("--format", options.format, registry.all_formats())
    tasks = plan.tasks(options.files, Path(options.output) if options.output else None, wanted)
    if wanted.is_binary and not options.output and (len(tasks) > 1 or sys.stdout.isatty()):
        raise BadRequest(
            f"--format {wanted.name} is no text to print; say with -o where the files go",
            f"--format {wanted.name} 不是文本，请用 -o 指定存放目录",
        )
    left = [task for task in tasks if options.again or not task.is_done]
    if len(left) < len(tasks):
        done = len(tasks) - len(left)
        words = terminal.in_language(
            f"{done} done before; --again transcribes them again",
            f"{done} 个之前已完成；--again 可重新识别",
        )
        print(words, file=sys.stderr)
    if not left:
        return EX_OK
    refused = 0
    asked_for = wanted_of(options)
    told: set[str] = set()
    with _service(options) as service:
        for number, task in enumerate(left, 1):
            try:
                with _bar(task.source.name, number, len(left)) as bar:
                    written = service.written(
                        task.source,
                        wanted.name,
                        tell=lambda progress: _show(bar, progress.share or 0.0),
                        **asked_for,
                    )
                    _show(bar, 1.0)
            except Unreachable as error:
                raise NotRunning(
                    f"no seacod answers at {service.url}; start it, name another with --url, or "
                    f"use --local ({error.cause[0]})",
                    f"{service.url} 没有响应（{error.cause[1]}）；请启动服务、用 --url 指定地址，"
                    "或使用 --local",
                ) from None
            except (Refused, BrokenOff, NoSeacod) as error:
                refused += 1
                why = f"{task.source}: {error.sentence(terminal.language())}"
                print(terminal.printable(why), file=sys.stderr)
                continue
            _put(task, written.content, is_one=len(tasks) == 1)
            _tell(task, written.warnings, told)
    return EX_FAILURE if refused else EX_OK


def _tell(task: plan.PlannedFile, warnings: Sequence[TranscriptWarning], told: set[str]) -> None:
    """Say what a reader of the text ought to know; what is about the model, once."""
    for warning in warnings:
        about = "" if warning.code == TRIAL_MODEL else f"{task.source}: "
        line = about + warning.sentence(terminal.language())
        if about or line not in told:
            print(terminal.printable(line), file=sys.stderr)
        told.add(line)


def _on_ray(options: argparse.Namespace) -> int:
    from seacod.archive.command import Archive, transcribe
    from seacod.asr.choice import SoundChoice

    if not options.output:
        raise BadRequest(
            "--ray needs -o: where the texts and the manifest go",
            "--ray 需要用 -o 指定结果与清单的存放位置",
        )
    said = {name: getattr(options, name) for name in asked.FIELDS}
    return transcribe(
        Archive(
            options.files, options.output, options.format, options.hotwords,
            SoundChoice.read(vars(options), "--"), options.ray, options.model, options.config,
            options.again, options.metrics_port,
            {name: str(value) for name, value in said.items() if value is not None},
            options.s3_endpoint,
        )
    )  # fmt: skip


@contextlib.contextmanager
def _service(options: argparse.Namespace) -> Iterator[Client]:
    with contextlib.ExitStack() as stack:
        url = options.url
        if options.local:
            from seacod.proving.service import private_service

            words = terminal.in_language(
                f"starting an engine ({options.model})", f"正在启动识别引擎（{options.model}）"
            )
            print(words, file=sys.stderr)
            private = private_service(options.model, asr=_of_this_machine(options.config))
            url = stack.enter_context(private).url
        url = url or status_socket.url_of(options.config)
        try:
            service = Client(url, api_key(options))
        except BadRequest as error:
            raise type(error)(f"--url {error.message}", f"--url {error.chinese}") from None
        yield stack.enter_context(service)


def _of_this_machine(config: Path | None) -> dict[str, object]:
    """What an engine of one's own shares with the service of this machine: models that were fetched
    (recognisers, speakers), and the operator's lists for the text."""
    from seacod.config.load import load_settings
    from seacod.errors import ConfigError
    from seacod.paths import Paths

    try:
        settings = load_settings(config)
    except ConfigError as error:
        # Closed to this user, or broken: neither is a matter of an engine of one's own.
        if config is not None:
            raise
        print_words(
            f"without the models and lists of the installed service ({error.message})",
            f"不使用已安装服务的模型与词表（{error.chinese}）",
            to=sys.stderr,
        )
        return {}
    asr, models = settings.asr, Paths.resolve(settings).models
    shared = {
        "models_directory": models if os.access(models, os.R_OK | os.X_OK) else None,
        "hotwords_file": asr.hotwords_file,
        "replacements_file": asr.replacements_file,
    }
    given = {key: str(value) for key, value in shared.items() if value is not None}
    return {"speaker_model": asr.speaker_model, **given}


def _bar(name: str, number: int, count: int) -> tqdm[None]:
    from tqdm import tqdm

    title = terminal.printable(f"[{number}/{count}] {name}" if count > 1 else name)
    return tqdm(
        total=100, desc=title[:40], unit="%", leave=True, disable=not sys.stderr.isatty(),
        bar_format="{desc:40} {bar} {n:3.0f} % {elapsed}<{remaining}",
    )  # fmt: skip


def _show(bar: tqdm[None], share: float) -> None:
    bar.update(max(0.0, 100 * share - bar.n))


def _put(task: plan.PlannedFile, content: bytes, *, is_one: bool) -> None:
    """Write a text to its file, whole or not at all; else to standard output, under its name."""
    if task.target is None:
        if not is_one:
            print(terminal.printable(f"== {task.source}"), flush=True)
        sys.stdout.buffer.write(content)
        sys.stdout.flush()
        return
    with writing(task.target):
        whole_file.write(task.target, content)
