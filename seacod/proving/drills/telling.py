"""Drill: the mail server is down when something has to be told."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from seacod.alerts.alert import Message
from seacod.alerts.channels.mail import Mail
from seacod.alerts.channels.registry import configured
from seacod.alerts.reading import open_outbox
from seacod.client import status_socket
from seacod.config.load import find_file
from seacod.errors import ConfigError, SeacodError
from seacod.proving.drills.timing import Result, Timing
from seacod.proving.target import DrillFailed, LocalService, wait_for
from seacod.system.text.words import reason

_KEPT_ENDING = ".before-drill"
# A key nobody has: what the service says of it is the alert that has to arrive.
_UNKNOWN_KEY = "this_is_a_drill"


def mail_down(target: LocalService) -> Result:
    """For a while the settings name a port of this machine where nobody listens; an alert is raised
    (a configuration that is refused), and has to wait and to arrive once the settings are back."""
    if Mail.name not in configured(target.settings.alerts):
        raise SeacodError(
            "alerts.mail_server is not set: there is no mail that could wait",
            "尚未配置 alerts.mail_server，无邮件可演练",
        )
    file = find_file(target.config)
    if file is None:
        raise SeacodError(
            "the service has no configuration file that could be changed for a while",
            "服务没有配置文件，无法临时修改",
        )
    # Before the file is one that cannot be read.
    socket_file = status_socket.find(target.config)[0]
    last = _newest(target)
    with Timing("mail-down", target) as timing:
        with _changed(file, target.config) as settings:
            timing.inject(lambda: _raise_alert(file, settings, socket_file))
            timing.detected(lambda: _tried(target, last), "a try to send that failed")
        waiting = wait_for(lambda: _since(target, last), "the message of this drill")
        wait_for(
            lambda: all(one.state != "waiting" for one in _since(target, last)), "the mail sent"
        )
        gone = [one for one in _since(target, last) if one.state != "delivered"]
        timing.lost = len(gone)
        timing.remark = (
            f"{len(waiting)} mail waited and was sent when the server was back; detected: the "
            "first try that failed; the service was never away",
            f"{len(waiting)} 封邮件等待，服务器恢复后已发出；发现故障以首次发送失败计；服务未中断",
        )
    return timing.result()


def mend(config: Path | None) -> bool:
    """Put back what a drill that was killed left changed; whether there was anything."""
    file = find_file(config)
    if file is None or not _kept(file).exists():
        return False
    os.replace(_kept(file), file)
    with contextlib.suppress(SeacodError):
        status_socket.reload(config)
    return True


@contextlib.contextmanager
def _changed(file: Path, config: Path | None) -> Iterator[dict[str, Any]]:
    """The service with settings whose mail server is not there; afterwards as it was."""
    settings: dict[str, Any] = yaml.safe_load(file.read_text("utf-8")) or {}
    # Bound and not listened on: nobody else takes it, and connections are refused.
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        alerts = {
            **Mail.elsewhere("127.0.0.1", nobody.getsockname()[1]),
            # Told even if the same was told a minute ago.
            "cool_down_seconds": 0,
        }  # fmt: skip
        settings["alerts"] = {**(settings.get("alerts") or {}), **alerts}
        try:
            shutil.copy2(file, _kept(file))
            _chown_like(file, _kept(file))
            _write(file, settings)
            status_socket.reload(config)
            yield settings
        except OSError as error:
            why, chinese = reason(error)
            raise SeacodError(
                f"{file}: cannot be changed: {why}; run the drill as root",
                f"{file}：无法修改：{chinese}；请以 root 运行",
            ) from None
        finally:
            mend(config)


def _raise_alert(file: Path, settings: dict[str, Any], socket_file: Path) -> None:
    _write(file, {**settings, _UNKNOWN_KEY: 1})
    try:
        status_socket.reload_at(socket_file)
    except ConfigError:
        return
    finally:
        _write(file, settings)
    raise DrillFailed(
        "the service took a configuration it should have refused", "服务接受了本应拒绝的配置"
    )


def _write(file: Path, settings: dict[str, Any]) -> None:
    """Written in place, so that owner and mode stay; the service reads it only when told to."""
    file.write_text(yaml.safe_dump(settings, allow_unicode=True), "utf-8")


def _kept(file: Path) -> Path:
    return file.with_name(file.name + _KEPT_ENDING)


def _chown_like(file: Path, copy: Path) -> None:
    status = file.stat()
    os.chown(copy, status.st_uid, status.st_gid)


def _newest(target: LocalService) -> int:
    with open_outbox(target.config) as outbox:
        return max((one.id for one in outbox.recent(1)), default=0)


def _since(target: LocalService, last: int) -> list[Message]:
    """The mails of this drill."""
    with open_outbox(target.config) as outbox:
        return [one for one in outbox.recent(50) if one.id > last and one.channel == Mail.name]


def _tried(target: LocalService, last: int) -> bool:
    return any(one.attempts for one in _since(target, last))
