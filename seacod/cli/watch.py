"""`seacod watch`: what is laid into a folder is heard once, and its texts lie beside it."""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from seacod.cli.options import add_config, add_key, add_url, add_wanted, api_key, wanted_of
from seacod.errors import EX_FAILURE, EX_OK, BadRequest
from seacod.formats import asked, registry
from seacod.system.text import terminal

if TYPE_CHECKING:
    from seacod.formats.base import OutputFormat
    from seacod.inbox.watch import FolderWatch

HELP = "transcribe each recording in a folder once, and write its texts beside it"


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", type=Path, help="it and the folders in it are watched")
    parser.add_argument(
        "-o", "--output", type=Path, metavar="DIR",
        help="where the texts go; recordings of a folder in it keep their place (beside them)",
    )  # fmt: skip
    parser.add_argument(
        "--failed", type=Path, metavar="DIR",
        help="where recordings go that cannot be heard, with a file that says why (FOLDER/failed)",
    )  # fmt: skip
    names = ", ".join(registry.names(registry.all_formats()))
    parser.add_argument(
        "--format", default="text", metavar="NAMES",
        help=f"one or several, separated by commas: {names} (text)",
    )  # fmt: skip
    add_wanted(parser)
    parser.add_argument(
        "--at-once", type=int, default=2, metavar="NUMBER", help="recordings at a time (2)"
    )
    parser.add_argument(
        "--every", type=float, default=2.0, metavar="SECONDS", help="between two looks (2)"
    )
    parser.add_argument(
        "--settle", type=float, default=5.0, metavar="SECONDS",
        help="a file that has not changed for so long is complete (5)",
    )  # fmt: skip
    add_url(parser)
    add_key(parser)
    add_config(parser)


def run(options: argparse.Namespace) -> int:
    """Watch until SIGTERM or Ctrl-C; what has begun then is finished. A second one ends it at once.

    Raises:
        SeacodError: the folder is not there, cannot be written to or is watched already; no service
            was named and none runs here.
    """
    _check(options)
    formats = _formats(options.format)
    from seacod.client import status_socket

    url = options.url or status_socket.url_of(options.config)
    return asyncio.run(_watch(options, url, formats))


def _check(options: argparse.Namespace) -> None:
    if not options.folder.is_dir():
        raise BadRequest(
            f"{options.folder}: there is no such folder", f"{options.folder}：没有这个目录"
        )
    for name, value, least, most in (
        ("--at-once", options.at_once, 1, 64),
        ("--every", options.every, 0.05, 3600),
        ("--settle", options.settle, 0, 86_400),
    ):
        if not least <= value <= most:
            raise BadRequest(
                f"{name}: use a number from {least:g} to {most:g}",
                f"{name}：请填写 {least:g} 到 {most:g} 的数",
            )


def _formats(given: str) -> list[OutputFormat]:
    every = registry.all_formats()
    names = [name.strip() for name in given.split(",") if name.strip()]
    chosen = [registry.chosen("--format", name, every) for name in dict.fromkeys(names or ["text"])]
    endings = [one.ending for one in chosen]
    for number, one in enumerate(chosen):
        if one.ending in endings[:number]:
            other = chosen[endings.index(one.ending)]
            raise BadRequest(
                f"--format: {other.name} and {one.name} would both be written to "
                f"*{one.ending}; choose one of them",
                f"--format：{other.name} 与 {one.name} 的扩展名都是 {one.ending}，请只选一个",
            )
    return chosen


async def _watch(options: argparse.Namespace, url: str, formats: Sequence[OutputFormat]) -> int:
    from seacod.client import NEVER, AsyncClient
    from seacod.inbox.ledger import Ledger
    from seacod.inbox.texts import Texts
    from seacod.inbox.watch import FolderWatch

    wanted = wanted_of(options)
    given = {name: str(value) for name, value in wanted.items() if value is not None}
    folder = options.folder.resolve()
    output = options.output.resolve() if options.output else folder
    failed = options.failed.resolve() if options.failed else folder / "failed"
    texts = Texts(folder, output, failed, formats, asked.choices(given))
    speakers = wanted.get("speakers", "")
    if not speakers and any(one.needs_speakers for one in formats):
        speakers = "true"
    ledger = Ledger(output)
    try:
        ledger.forget(lambda path: (folder / path).exists())
        async with AsyncClient(url, api_key(options), retry=NEVER) as service:
            watch = FolderWatch(
                service, texts, ledger,
                {
                    "hotwords": options.hotwords, "speakers": speakers,
                    "track": options.track, "channels": options.channels,
                },
                options.at_once, options.every, options.settle, _tell,
            )  # fmt: skip
            return await _until_told(watch)
    finally:
        ledger.close()


async def _until_told(watch: FolderWatch) -> int:
    """Run until a signal; a second one gives up what runs."""
    stopped = asyncio.Event()
    task = asyncio.ensure_future(watch.run(stopped))

    def told() -> None:
        if stopped.is_set():
            task.cancel()
        stopped.set()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, told)
    _tell("", f"watching {watch.texts.folder}", f"正在监视 {watch.texts.folder}", False)
    try:
        await task
    except asyncio.CancelledError:
        return EX_FAILURE
    return EX_OK


def _tell(path: str, english: str, chinese: str, is_bad: bool) -> None:
    """One line, for a journal as for a terminal."""
    line = terminal.in_language(english, chinese)
    text = terminal.printable(f"{path}: {line}" if path else line)
    print(text, file=sys.stderr if is_bad else sys.stdout, flush=True)
