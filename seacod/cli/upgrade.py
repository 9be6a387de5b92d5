"""`seacod upgrade [--check] DIRECTORY`: whether a new release fits what is here; installs it."""

from __future__ import annotations

import argparse
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

from seacod import __version__
from seacod.cli import releases
from seacod.cli.check import tell
from seacod.cli.options import add_config
from seacod.cli.releases import Program
from seacod.client import status_socket
from seacod.config.load import load_settings
from seacod.errors import BadRequest, Conflict, SeacodError
from seacod.proving import systemd
from seacod.proving.checks.item import Finding, Status, fail, ok, warn
from seacod.system.files.free_space import free_bytes

HELP = "look whether a new release fits what is here (--check), or install it"
# What a release with all its libraries takes.
_RELEASE_BYTES = 8 << 30


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "directory", type=Path, nargs="?", help="a checkout of the release that is to come"
    )
    parser.add_argument("--check", action="store_true", help="only look; nothing is changed")
    add_config(parser)


def run(options: argparse.Namespace) -> int:
    """Say what an upgrade would meet, a line for each item; without --check, go on and install.

    Returns:
        With --check 0 when all is well, 1 when something should be looked at, 2 when it would fail.

    Raises:
        BadRequest: the directory is no checkout, or was not named.
        Conflict: something would fail; nothing was changed.
    """
    fresh = None if options.directory is None else releases.checkout(options.directory)
    if options.directory is not None and fresh is None:
        raise BadRequest(
            f"{options.directory}: is no checkout of seacod (it has no install.sh and seacod/)",
            f"{options.directory}：不是 seacod 的代码目录（缺少 install.sh 与 seacod/）",
        )
    if fresh is None and not options.check:
        raise BadRequest(
            "name a checkout of the release that is to come, or --check alone",
            "请指定新版本的代码目录，或只使用 --check",
        )
    found = []
    for name, finding in _looked_at(fresh, options.config):
        found.append(finding)
        tell(name, finding)
    worst = max((one.status for one in found), key=lambda one: one.exit_code)
    if options.check or fresh is None or fresh.directory is None:
        return worst.exit_code
    if worst is Status.FAIL:
        raise Conflict("nothing was changed", "未做任何更改")
    return subprocess.run([str(fresh.directory / "install.sh")], check=False).returncode


def _looked_at(fresh: Program | None, config: Path | None) -> Iterator[tuple[str, Finding]]:
    yield "release", _release(fresh)
    if fresh is not None:
        yield "configuration", releases.configuration(fresh, config)
        yield "stored", releases.stored(fresh, config)
    yield "room", _room()
    yield "clients", _clients(config)
    yield "back", _back()


def _release(fresh: Program | None) -> Finding:
    current = releases.in_use(releases.releases())
    here = f"{__version__} (not by install.sh)" if current is None else current.name
    if fresh is None:
        return ok(f"in use: {here}", f"当前使用：{here}")
    code, said = fresh.ask("-c", "import seacod; print(seacod.__version__)")
    if code != 0:
        words = said.splitlines()[-1] if said else ""
        return fail(
            (f"{fresh.name} does not run: {words}", f"{fresh.name} 无法运行：{words}"),
            ("is the checkout complete? git status, git fsck", "请检查代码目录是否完整"),
        )
    return ok(f"in use: {here}; to come: {said}", f"当前使用：{here}；将安装：{said}")


def _room() -> Finding:
    place = releases.PREFIX if releases.PREFIX.is_dir() else Path("/")
    current = releases.in_use(releases.releases())
    needed = _RELEASE_BYTES if current is None else _size(current.path)
    free = free_bytes(place) or 0
    words = (
        f"{free / 1e9:.1f} GB free in {place}; a release takes {needed / 1e9:.1f}",
        f"{place} 剩余 {free / 1e9:.1f} GB；一个版本约占 {needed / 1e9:.1f} GB",
    )
    if free < needed:
        return warn(words, ("make room; where only seacod's own code is new, less is enough",
                            "请清理磁盘；若仅 seacod 自身代码更新，所需空间更少"))  # fmt: skip
    return ok(*words)


def _size(directory: Path) -> int:
    total = 0
    for place, _, names in os.walk(directory):
        for name in names:
            total += os.lstat(os.path.join(place, name)).st_blocks * 512
    return total


def _clients(config: Path | None) -> Finding:
    """What it does to those who use the service now."""
    try:
        told = status_socket.status(config)
    except SeacodError as error:
        return warn(
            (f"not looked at: {error.message}", f"未检查：{error.chinese}"),
            ("an upgrade starts the service", "升级会启动服务"),
        )
    inside = told["in_flight"]
    settings = load_settings(config)
    worker, server = settings.worker, settings.server
    needed = (
        server.drain_notice_seconds + worker.drain_timeout_seconds + worker.stop_timeout_seconds
    )
    given = _seconds(systemd.shown("TimeoutStopUSec"))
    words = (
        f"{inside} requests and files are inside: they have worker.drain_timeout_seconds "
        f"({worker.drain_timeout_seconds:g} s) to be finished",
        f"进行中的请求与文件 {inside} 个：有 {worker.drain_timeout_seconds:g} 秒"
        "（worker.drain_timeout_seconds）完成",
    )
    if given is not None and given <= needed:
        return warn(
            (f"{words[0]}; systemd kills what is left after {given:g} s (TimeoutStopSec=)",
             f"{words[1]}；systemd 会在 {given:g} 秒后强制终止（TimeoutStopSec=）"),
            (f"systemctl edit seacod: TimeoutStopSec={needed + 10:.0f}",
             f"执行 systemctl edit seacod，设置 TimeoutStopSec={needed + 10:.0f}"),
        )  # fmt: skip
    if systemd.has_started(told["pid"]) and systemd.shown("NFileDescriptorStore") in ("", "0"):
        return warn(
            (f"{words[0]}; systemd keeps no sockets of it: new connections are refused meanwhile",
             f"{words[1]}；systemd 未保存监听套接字，升级期间新连接会被拒绝"),
            ("seacod runbook, docs/install.md, Addresses", "见 docs/install.md 的“地址”一节"),
        )  # fmt: skip
    if inside and not told["pause"]:
        return ok(
            f"{words[0]}; seacod pause --wait lets them end first",
            f"{words[1]}；可先执行 seacod pause --wait 等待其结束",
        )
    return ok(*words)


def _seconds(text: str) -> float | None:
    """Seconds of what systemd writes as `1min 30s`; None for infinity and where nobody says."""
    sizes = {"h": 3600.0, "min": 60.0, "s": 1.0, "ms": 0.001}
    total = 0.0
    for word in text.split():
        number = word.rstrip("hmins")
        unit = word[len(number) :]
        if not number.replace(".", "", 1).isdigit() or unit not in sizes:
            return None
        total += float(number) * sizes[unit]
    return total if text else None


def _back() -> Finding:
    """What there is to go back to."""
    others = [one.name for one in releases.releases() if not one.is_current]
    hint = (
        "an upgrade keeps the one in use for seacod rollback; seacod backup FILE before it",
        "升级会保留当前版本供 seacod rollback 使用；升级前请执行 seacod backup 文件",
    )
    if others:
        return ok(f"{hint[0]} (kept now: {', '.join(others)})",
                  f"{hint[1]}（现有：{'、'.join(others)}）")  # fmt: skip
    return ok(*hint)
