"""The command: one file after the other, with a bar for each; what is done is not done again."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from seacod.cli.transcribe import plan
from seacod.cli.transcribe.asking import Refused, Service
from seacod.client import status_socket
from seacod.errors import EX_FAILURE, EX_OK, CannotWrite
from seacod.formats import registry
from seacod.system import terminal


@dataclass(frozen=True, slots=True)
class Wishes:
    """What was asked for; see `seacod transcribe --help`."""

    files: Sequence[str]
    output: Path | None
    format: str
    hotwords: str
    url: str | None
    key: str | None
    is_local: bool
    model: str
    config: Path | None
    is_again: bool


def transcribe(wishes: Wishes) -> int:
    """Texts of the recordings, to files or to standard output.

    Returns:
        0 when all of them have one, 1 when one was refused; each refusal is told.

    Raises:
        SeacodError: nothing can be done: a file is missing, no service answers.
    """
    wanted = registry.chosen("--format", wishes.format, registry.all_formats())
    tasks = plan.tasks(wishes.files, wishes.output, wanted)
    left = [task for task in tasks if wishes.is_again or not task.is_done]
    if len(left) < len(tasks):
        print(f"{len(tasks) - len(left)} done before; --again does them anew", file=sys.stderr)
    if not left:
        return EX_OK
    refused = 0
    with _service(wishes) as service:
        for number, task in enumerate(left, 1):
            try:
                with _bar(task.source.name, number, len(left)) as bar:
                    text = service.transcribe(
                        task.source, wishes.hotwords, wanted.name, lambda share: _show(bar, share)
                    )
                    _show(bar, 1.0)
            except Refused as error:
                refused += 1
                print(f"{task.source}: {error.sentence(terminal.language())}", file=sys.stderr)
                continue
            _put(task, text, is_one=len(tasks) == 1)
    return EX_FAILURE if refused else EX_OK


@contextlib.contextmanager
def _service(wishes: Wishes) -> Iterator[Service]:
    with contextlib.ExitStack() as stack:
        url = wishes.url
        if wishes.is_local:
            from seacod.proving.bench.private import private_service

            print(f"starting an engine ({wishes.model})", file=sys.stderr)
            private = private_service(wishes.model, supervisor={"spare": "off"})
            url = stack.enter_context(private).url
        service = Service(url or status_socket.status(wishes.config)["url"], wishes.key)
        stack.callback(service.close)
        yield service


def _bar(name: str, number: int, count: int) -> tqdm[None]:
    title = f"[{number}/{count}] {name}" if count > 1 else name
    return tqdm(
        total=100, desc=title[:40], unit="%", leave=True, disable=not sys.stderr.isatty(),
        bar_format="{desc:40} {bar} {n:3.0f} % {elapsed}<{remaining}",
    )  # fmt: skip


def _show(bar: tqdm[None], share: float) -> None:
    bar.update(max(0.0, 100 * share - bar.n))


def _put(task: plan.PlannedFile, text: str, *, is_one: bool) -> None:
    """To its file, whole or not at all; else to standard output, under its name."""
    if task.target is None:
        print(text if is_one else f"== {task.source}\n{text}", end="", flush=True)
        return
    part = task.target.with_name(f".{task.target.name}.part")
    try:
        task.target.parent.mkdir(parents=True, exist_ok=True)
        part.write_text(text, "utf-8")
        os.replace(part, task.target)
    except OSError as error:
        raise CannotWrite(f"{task.target}: cannot be written: {error.strerror}") from None
