"""`seacod restore FILE`: a backup takes the place of what the service has; it must not run."""

from __future__ import annotations

import argparse
from pathlib import Path

from seacod import __version__
from seacod.cli import state_archive
from seacod.cli.options import add_config
from seacod.cli.trial import is_held
from seacod.client import status_socket
from seacod.config.load import DEFAULT_FILE, load_settings
from seacod.errors import EX_OK, Conflict, NotAllowed, NotRunning
from seacod.paths import Paths
from seacod.system.text.terminal import print_words

HELP = "put back what seacod backup has written; stop the service before"


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", type=Path, help="what seacod backup has written")
    add_config(parser)


def run(options: argparse.Namespace) -> int:
    """Put it back; what is there now is kept beside it.

    Raises:
        Conflict: the service runs.
        BadRequest: the file is no backup, or a damaged one.
        CannotWrite: the state directory cannot be written to; it is as before.
    """
    settings = load_settings(options.config)
    paths = Paths.resolve(settings)
    if _runs(options.config, paths):
        raise Conflict(
            f"the service of {paths.state} runs; stop it first: systemctl stop seacod",
            f"{paths.state} 的服务正在运行；请先停止：systemctl stop seacod",
        )
    put = state_archive.put_back(
        options.file,
        paths.state,
        {DEFAULT_FILE, *state_archive.configured_places(settings, options.config)},
    )
    print_words(
        f"{paths.state}: as of {put.made_at}, by seacod {put.version}; what was there is in "
        f"{put.aside}",
        f"{paths.state}：已恢复为 {put.made_at} 的状态（seacod {put.version}）；"
        f"原有内容在 {put.aside}",
    )
    if not put.is_checked:
        print_words(
            "the backup is one without checksums: whether it was damaged since cannot be said",
            "该备份没有校验值：无法确认它此后是否损坏",
        )
    for place in put.configuration:
        print_words(f"configuration: {place}", f"配置：{place}")
    if put.secrets:
        names = ", ".join(put.secrets)
        print_words(f"secrets it had, not in the backup: {names}", f"备份中不含机密：{names}")
    if put.version != __version__:
        print_words(
            f"this is seacod {__version__}: seacod check jobs versions says whether it can use it",
            f"当前为 seacod {__version__}：用 seacod check jobs versions 确认能否使用",
        )
    return EX_OK


def _runs(config: Path | None, paths: Paths) -> bool:
    """Whether a service has this state directory: one that answers, or starts, or hangs."""
    try:
        told = status_socket.status(config)
    except NotAllowed:
        return True
    except NotRunning:
        return is_held(paths)
    return Paths.told(told).state == paths.state
