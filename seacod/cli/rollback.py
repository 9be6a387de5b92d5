"""`seacod rollback`: back to the release before, if it can use what is here."""

from __future__ import annotations

import argparse
import os
import subprocess

from seacod.cli import releases
from seacod.cli.check import tell
from seacod.cli.options import add_config
from seacod.cli.releases import Release
from seacod.errors import EX_FAILURE, EX_OK, BadRequest, Conflict, NotFound, SeacodError
from seacod.proving import systemd
from seacod.proving.checks.item import Status
from seacod.system.text.terminal import print_words
from seacod.system.text.words import reason

HELP = "go back to the release before, which install.sh has kept"


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("release", nargs="?", help="its name (the one before the present)")
    parser.add_argument("--check", action="store_true", help="only say whether that would work")
    parser.add_argument(
        "--force", action="store_true", help="also where it cannot use everything that is stored"
    )
    add_config(parser)


def run(options: argparse.Namespace) -> int:
    """Look whether the other release fits, then start the service from it.

    Raises:
        NotFound: there is no such release.
        BadRequest: somebody else than root.
        Conflict: the release cannot use what is here.
        SeacodError: it does not start.
    """
    known = releases.releases()
    present = releases.in_use(known)
    target = _chosen(known, present, options.release)
    if target.is_current:
        raise BadRequest(f"{target.name} is in use already", f"{target.name} 已在使用中")
    findings = [
        ("configuration", releases.configuration(target.program, options.config)),
        ("stored", releases.stored(target.program, options.config)),
    ]
    for name, finding in findings:
        tell(name, finding)
    has_failed = any(finding.status is Status.FAIL for _, finding in findings)
    if options.check:
        return EX_FAILURE if has_failed else EX_OK
    if has_failed and not options.force:
        raise Conflict(
            f"{target.name} cannot use what is here; nothing was changed (--force goes back "
            "all the same)",
            f"{target.name} 无法使用现有数据或配置，未做任何更改（--force 可强制回退）",
        )
    if os.geteuid() != 0:
        raise BadRequest(
            "going back needs root: sudo seacod rollback", "回退需要 root：sudo seacod rollback"
        )
    _go_back(target)
    print_words(f"{target.name} serves", f"{target.name} 已开始服务")
    if present is not None:
        print_words(
            f"forward again: sudo {_command(present)}", f"重新前进：sudo {_command(present)}"
        )
    return EX_OK


def _chosen(known: list[Release], present: Release | None, name: str | None) -> Release:
    if not known:
        raise NotFound(
            f"{releases.PREFIX}/releases has none: install.sh has not installed seacod here (after "
            "the Debian package: apt-get install the package before)",
            f"{releases.PREFIX}/releases 中没有版本：本机不是由 install.sh 安装"
            "（使用 Debian 软件包时，请用 apt-get install 安装之前的软件包）",
        )
    if name is not None:
        fitting = [one for one in known if one.name == name]
    else:
        # Back, never forward: whoever has gone back already names where to go.
        fitting = [
            one
            for one in known
            if not one.is_current and (present is None or one.made_at <= present.made_at)
        ]
    if fitting:
        return fitting[0]
    names = ", ".join(one.name for one in known)
    raise NotFound(
        f"there is no release {name} to go back to; there are: {names}"
        if name
        else f"there is no release before the one in use; there are: {names}",
        f"没有可回退的版本{f' {name}' if name else ''}；现有：{names}",
    )


def _go_back(target: Release) -> None:
    """Sockets that systemd keeps for this release mean nothing to one that knows of none."""
    is_quick = target.keeps_sockets
    if not is_quick:
        _systemctl("stop", target)
    try:
        releases.switch_to(target)
    except OSError as error:
        if not is_quick:
            _systemctl("start", target)
        why, chinese = reason(error)
        raise SeacodError(
            f"{error.filename}: {why}; nothing was changed",
            f"{error.filename}：{chinese}；未做任何更改",
        ) from None
    _systemctl("restart" if is_quick else "start", target)


def _systemctl(verb: str, target: Release) -> None:
    done = subprocess.run(["systemctl", verb, systemd.UNIT], check=False)
    if done.returncode != 0:
        raise SeacodError(
            f"systemctl {verb} {systemd.UNIT} has failed with {target.name}: journalctl -u seacod "
            "-p warning says why",
            f"使用 {target.name} 执行 systemctl {verb} {systemd.UNIT} 失败；原因见 journalctl -u "
            "seacod -p warning",
        )


def _command(release: Release) -> str:
    """By its own program: the other one may not know this command."""
    return f"{release.path}/bin/seacod rollback {release.name}"
