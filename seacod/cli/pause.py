"""`seacod pause`: for planned work, the service takes nothing new, says why, finishes what runs."""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

from seacod import pause
from seacod.cli.options import add_config
from seacod.client import status_socket
from seacod.config.load import load_settings
from seacod.errors import EX_OK, BadRequest, CannotWrite, NotAllowed, NotRunning, SeacodError
from seacod.paths import Paths
from seacod.system.text.terminal import in_language, print_words
from seacod.system.text.words import reason

HELP = "take nothing new (503 with a reason and Retry-After) and finish what runs, until 'resume'"
# The supervisor looks once a second.
NOTICED_SECONDS = 15.0
_LOOK_SECONDS = 0.5


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "reason", nargs="*", help="told to everybody, such as: maintenance until 14:00"
    )
    parser.add_argument(
        "--retry-after", type=int, metavar="SECONDS",
        help="when clients are told to come back (300)",
    )  # fmt: skip
    parser.add_argument(
        "--wait", action="store_true", help="return when what was running is finished"
    )
    add_config(parser)


def run(options: argparse.Namespace) -> int:
    """Pause the service, or the one that starts next, and wait until it has noticed.

    Raises:
        BadRequest: the time to come back is none.
        NotAllowed, CannotWrite: this user may not.
        SeacodError: the service does not notice it.
    """
    path, is_running = place(options.config)
    try:
        now = _wanted(options, pause.read(path))
        pause.write(path, now)
    except OSError as error:
        raise refused(path, error) from None
    if not is_running:
        print_words(
            "no service runs: it is paused when it starts", "服务未在运行：下次启动时即处于暂停状态"
        )
        return EX_OK
    wanted = {"reason": now.reason, "retry_after_seconds": now.retry_after_seconds}
    told = noticed(options.config, lambda said: said is not None and wanted.items() <= said.items())
    print_words(
        "paused: nothing new is taken, also after a restart, until: seacod resume",
        "已暂停：不接受新的请求，重启后仍保持暂停，直到执行 seacod resume",
    )
    if options.wait:
        while told["in_flight"]:
            time.sleep(_LOOK_SECONDS)
            told = status_socket.status(options.config)
    print(_inside(told["in_flight"]))
    return EX_OK


def _wanted(options: argparse.Namespace, before: pause.Pause | None) -> pause.Pause:
    """What was typed; what was not is as before.

    Raises:
        BadRequest: the time to come back is none.
    """
    reason = pause.one_line(" ".join(options.reason)) or (before.reason if before else "")
    retry = options.retry_after
    if retry is None:
        retry = before.retry_after_seconds if before else pause.RETRY_AFTER_SECONDS
    if not 1 <= retry <= pause.LONGEST_RETRY_SECONDS:
        raise BadRequest(
            f"--retry-after: {retry} is not from 1 to {pause.LONGEST_RETRY_SECONDS}",
            f"--retry-after：{retry} 不在 1 到 {pause.LONGEST_RETRY_SECONDS} 之间",
        )
    return pause.Pause(reason, time.time(), retry)


def _inside(count: int) -> str:
    if not count:
        return in_language("nothing is running; batches wait", "没有进行中的请求；批量任务等待中")
    return in_language(
        f"{count} requests and files of batches are being finished; --wait waits for them",
        f"{count} 个进行中的请求与批量文件会继续完成；用 --wait 等待其结束",
    )


def place(config: Path | None) -> tuple[Path, bool]:
    """Where a pause is written down, and whether a service runs that reads it.

    Raises:
        NotAllowed: one runs that this user may not ask.
        ConfigError: the configuration is wrong.
    """
    try:
        return Paths.told(status_socket.status(config)).pause, True
    except NotAllowed:
        raise
    except NotRunning:
        return Paths.resolve(load_settings(config)).pause, False


def refused(path: Path, error: OSError) -> CannotWrite:
    """Why the pause cannot be written down."""
    why, chinese = reason(error)
    if not isinstance(error, PermissionError):
        return CannotWrite(f"{path}: {why}", f"{path}：{chinese}")
    return CannotWrite(
        f"{path}: {why}; only root and the service's own user may pause it (sudo)",
        f"{path}：{chinese}；只有 root 和服务用户可以暂停服务（请使用 sudo）",
    )


def noticed(config: Path | None, is_so: Any) -> dict[str, Any]:
    """The snapshot of the service once it has taken up what was written.

    Raises:
        SeacodError: it does not.
    """
    deadline = time.monotonic() + NOTICED_SECONDS
    while True:
        told = status_socket.status(config)
        if is_so(told["pause"]):
            return told
        if time.monotonic() > deadline:
            raise SeacodError(
                "the service has not noticed it within "
                f"{NOTICED_SECONDS:.0f} s; journalctl -u seacod -g pause says why",
                f"服务在 {NOTICED_SECONDS:.0f} 秒内未响应；原因见 journalctl -u seacod -g pause",
            )
        time.sleep(_LOOK_SECONDS)
