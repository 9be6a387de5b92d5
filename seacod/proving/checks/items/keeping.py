"""Items: will it stay, and will somebody hear of it when it does not."""

from __future__ import annotations

import asyncio
import os
import pwd
import stat
import time
from collections.abc import Iterator
from pathlib import Path

from seacod.alerts import attempt
from seacod.alerts.channels.base import Undelivered
from seacod.alerts.channels.registry import configured, switches
from seacod.alerts.kinds import KINDS
from seacod.alerts.trial import send_test
from seacod.config.schema import SECRETS
from seacod.config.secrets import CREDSTORE
from seacod.proving import systemd
from seacod.proving.checks.context import CheckContext
from seacod.proving.checks.item import Finding, Status, Unseen, fail, ok, warn, worst
from seacod.system.text.terminal import ago
from seacod.system.text.words import Words, joined, reason

_JOURNAL_ON_DISK = Path("/var/log/journal")
_ROTATION = Path("/etc/logrotate.d")
_ROTATED_DAILY = Path("/etc/cron.daily/logrotate")
_BY_HAND = (
    "not a unit of systemd: somebody started it by hand", "不是 systemd 服务：由人工启动"
)  # fmt: skip
_INSTALL = ("install it: sudo ./install.sh", "安装为系统服务：sudo ./install.sh")


# -- permissions ----------------------------------------------------------------------------------


def permissions(context: CheckContext) -> Finding:
    """Files and directories belong to whom they should, and nobody else reads them."""
    found = [*_config(context), *_directories(context), *_secrets(context)]
    name = pwd.getpwuid(context.user).pw_name
    return worst(
        found,
        (f"files belong to {name}, others may not read them", f"文件属于 {name}，其他用户不可读取"),
    )


def _config(context: CheckContext) -> Iterator[Finding]:
    file = context.config_file
    if file is None:
        return
    mode = file.stat().st_mode
    if mode & (stat.S_IWGRP | stat.S_IWOTH):
        yield _chmod(file, "others may change it", "其他用户可以修改", "chmod go-w", Status.FAIL)
    access = context.settings.access
    if mode & stat.S_IROTH and (access.api_keys or access.users):
        yield _chmod(
            file,
            "everybody may read its hashes",
            "任何人可读取其中的哈希值",
            "chmod o-r",
            Status.WARN,
        )


def _directories(context: CheckContext) -> Iterator[Finding]:
    paths = context.paths
    for place in dict.fromkeys((paths.state, paths.temp, paths.models, paths.runtime)):
        try:
            status = place.stat()
        except PermissionError:
            raise Unseen(
                (f"not looked at: {place} is closed to this user",
                 f"未检查：当前用户无权查看 {place}"),
                ("run it as root: sudo seacod check permissions",
                 "请以 root 运行：sudo seacod check permissions"),
            ) from None  # fmt: skip
        except FileNotFoundError:
            yield fail(
                (f"{place}: does not exist", f"{place}：不存在"),
                ("systemd-tmpfiles --create seacod.conf, then systemctl restart seacod",
                 "执行 systemd-tmpfiles --create seacod.conf 后重启服务"),
            )  # fmt: skip
            continue
        if status.st_uid != context.user:
            yield fail(
                (
                    f"{place}: belongs to another user than the service's",
                    f"{place}：属主不是服务用户",
                ),
                (f"chown -R {context.user} {place}",) * 2,
            )
        # What lies in the runtime directory has modes of its own.
        if status.st_mode & stat.S_IROTH and place != paths.runtime:
            yield _chmod(place, "everybody may read it", "任何人可读取", "chmod o-rwx", Status.WARN)
        if place == paths.runtime and status.st_mode & stat.S_IWOTH:
            yield _chmod(place, "everybody may write to it", "任何人可写", "chmod o-w", Status.FAIL)


def _secrets(context: CheckContext) -> Iterator[Finding]:
    named = [getattr(getattr(context.settings, section), key) for section, key, _ in SECRETS]
    for file in (*named, *sorted(CREDSTORE.glob("seacod.*"))):
        if file is None:
            continue
        try:
            mode = file.stat().st_mode
        except OSError:
            continue
        if mode & stat.S_IRWXO:
            yield _chmod(
                file, "holds a secret and everybody may read it", "含有机密，任何人可读取",
                "chmod o-rwx", Status.FAIL,
            )  # fmt: skip


def _chmod(place: Path, english: str, chinese: str, command: str, status: Status) -> Finding:
    return Finding(
        status, (f"{place}: {english}", f"{place}：{chinese}"), (f"{command} {place}",) * 2
    )


# -- logs -----------------------------------------------------------------------------------------


def logs(context: CheckContext) -> Finding:
    """What it writes is kept, and does not fill the disk."""
    file = context.settings.log.file
    if file is not None:
        return worst(
            [*_writable(context, file), *_rotated(file)],
            (f"{file}, rotated daily", f"{file}，每日轮转"),
        )
    if not context.is_unit:
        return ok("to the terminal", "输出到终端")
    if _JOURNAL_ON_DISK.is_dir():
        return ok("in the journal, which rotates itself", "写入 journal，自动轮转")
    return warn(
        (
            "in the journal, which is lost at a reboot",
            "journal 仅保存在内存中，重启后丢失",
        ),
        ("mkdir -p /var/log/journal && systemctl restart systemd-journald",) * 2,
    )


def _writable(context: CheckContext, file: Path) -> Iterator[Finding]:
    directory = file.parent
    try:
        status = directory.stat()
        owner = (file if file.exists() else directory).stat().st_uid
    except OSError as error:
        why, chinese = reason(error)
        yield fail(
            (f"{directory}: {why}", f"{directory}：{chinese}"), (f"mkdir -p {directory}",) * 2
        )
        return
    if not stat.S_ISDIR(status.st_mode) or owner != context.user:
        yield fail(
            (f"{file}: belongs to another user than the service's", f"{file}：不属于服务用户"),
            (f"chown {context.user} {directory} {file}",) * 2,
        )


def _rotated(file: Path) -> Iterator[Finding]:
    mend = (
        "put logrotate/seacod into /etc/logrotate.d, with this path; apt-get install logrotate",
        "将 logrotate/seacod（改为该路径）放入 /etc/logrotate.d；apt-get install logrotate",
    )
    covering = [one for one in _ROTATION.glob("*") if _covers(one, file)]
    if not covering:
        yield warn((f"{file}: nothing rotates it", f"{file}：没有轮转配置"), mend)
        return
    if not _ROTATED_DAILY.exists() and not systemd.is_enabled("logrotate.timer"):
        yield warn(
            ("logrotate does not run: neither its timer nor cron starts it", "logrotate 未启用"),
            ("systemctl enable --now logrotate.timer",) * 2,
        )
    if os.geteuid() == 0:
        # A dry run: what is wrong with the file is said, nothing is rotated.
        code, said = systemd.output("logrotate", "--debug", str(covering[0]))
        if code != 0:
            last = "".join(said.splitlines()[-1:])
            yield fail(
                (
                    f"{covering[0]}: logrotate says: {last}",
                    f"{covering[0]}：logrotate 报错：{last}",
                ),
                mend,
            )


def _covers(rotation: Path, file: Path) -> bool:
    try:
        words = rotation.read_text("utf-8", "replace").split()
    except OSError:
        return False
    return any(word.startswith("/") and file.match(word) for word in words)


# -- systemd --------------------------------------------------------------------------------------


def boot(context: CheckContext) -> Finding:
    """It starts with the machine."""
    if not context.is_unit:
        return warn(_BY_HAND, _INSTALL)
    if not systemd.is_enabled(systemd.UNIT):
        return fail(
            (f"{systemd.UNIT}: not started at boot", f"{systemd.UNIT}：未设为开机启动"),
            (f"systemctl enable {systemd.UNIT}",) * 2,
        )
    return ok("the service starts at boot", "服务已设为开机启动")


def watchdog(context: CheckContext) -> Finding:
    """systemd notices when the supervisor itself hangs."""
    if not context.is_unit:
        return warn(_BY_HAND, _INSTALL)
    armed = systemd.shown("WatchdogUSec")
    beat = systemd.shown("WatchdogTimestampMonotonic")
    if armed in ("", "0", "infinity"):
        return fail(
            ("off: nothing restarts a supervisor that hangs", "未启用：守护进程卡死后无人处理"),
            ("systemctl edit seacod: WatchdogSec=30 in [Service], then restart",
             "systemctl edit seacod，在 [Service] 中设置 WatchdogSec=30 后重启"),
        )  # fmt: skip
    seconds = time.clock_gettime(time.CLOCK_MONOTONIC) - int(beat or 0) / 1e6
    return ok(
        f"armed with {armed}, last beat {seconds:.0f} s ago",
        f"已启用（{armed}），上次心跳在 {seconds:.0f} 秒前",
    )


# -- being told -----------------------------------------------------------------------------------


def mail(context: CheckContext) -> Finding:
    """Somebody is told, and the way there works."""
    settings = context.settings.alerts
    ways = configured(settings)
    if not ways:
        return warn(
            ("alerts reach nobody: no channel is configured", "无人会收到告警：未配置任何告警渠道"),
            (f"set one of {switches()} (docs/operations.md), then seacod test-alert",
             f"请设置 {switches()} 其中之一（docs/zh/operations.md），再执行 seacod test-alert"),
        )  # fmt: skip
    found: list[Finding] = []
    said: list[Words] = []
    for name, channel in ways.items():
        try:
            if context.sends:
                answer = (asyncio.run(send_test(channel)),) * 2
            else:
                answer = asyncio.run(attempt.greet(channel))
            answer = answer if answer[0] else ("not asked (--send)", "未询问（--send）")
            said.append((f"{name}: {answer[0]}", f"{name}：{answer[1]}"))
        except Undelivered as error:
            found.append(fail(
                (f"{name}: {error.answer}", f"{name}：{error.chinese}"),
                ("seacod test-alert tries again; see the section alerts of the settings, and "
                 "/etc/credstore for the password",
                 "用 seacod test-alert 重试；检查配置的 alerts 一节与 /etc/credstore 中的密码"),
            ))  # fmt: skip
    return worst(found, joined(said))


def alerts(context: CheckContext) -> Finding:
    """Nothing is open, nothing waits."""
    told = context.status["alerts"]
    if told is None:
        return fail(
            ("the outbox cannot be read: alerts may be lost", "告警记录无法读取，告警可能丢失"),
            ("journalctl -u seacod -p err; is the disk full?",
             "查看 journalctl -u seacod -p err；磁盘是否已满？"),
        )  # fmt: skip
    see = (
        "seacod alerts; docs/operations.md has a page for each",
        "见 seacod alerts 与 docs/zh/operations.md",
    )
    found = [
        warn(
            (f"open for {ago(one['since'])[0]}: {KINDS[one['kind']].english}",
             f"已持续 {ago(one['since'])[1]}：{KINDS[one['kind']].chinese}"), see,
        )
        for one in told["open"]
    ]  # fmt: skip
    if told["waiting"]:
        found.append(
            warn(
                (f"{told['waiting']} messages wait to be sent", f"{told['waiting']} 条消息待发送"),
                see,
            )
        )
    return worst(found, ("nothing open, nothing waits", "没有未恢复的告警，没有待发送的消息"))


ITEMS = (permissions, logs, boot, watchdog, mail, alerts)
