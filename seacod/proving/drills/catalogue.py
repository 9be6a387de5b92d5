"""Every drill: its name, what it does, what is safe about it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from seacod.errors import BadRequest
from seacod.proving.drills import processes, storage, telling
from seacod.proving.drills.timing import Result
from seacod.proving.target import LocalService


@dataclass(frozen=True, slots=True)
class Drill:
    """One entry: a line for people in both languages, and what runs."""

    english: str
    chinese: str
    run: Callable[[LocalService], Result]


DRILLS = {
    "kill-worker": Drill(
        "the worker is killed; requests inside it are lost to their clients, who send again",
        "杀死识别进程；其中的请求会中断，客户端需重发",
        processes.kill_worker,
    ),
    "hang-worker": Drill(
        "the worker is stopped until the service finds that it hangs and replaces it",
        "暂停识别进程，直至服务发现其卡死并替换",
        processes.hang_worker,
    ),
    "kill-supervisor": Drill(
        "the supervisor is killed, and its worker with it; systemd starts both again",
        "杀死守护进程（连同识别进程），由 systemd 重新启动",
        processes.kill_supervisor,
    ),
    "fill-temp": Drill(
        "the disk of the uploads is filled to just below storage.free_refuse_bytes, for seconds",
        "短时间占满上传目录所在磁盘，至略低于 storage.free_refuse_bytes",
        storage.fill_temp,
    ),
    "mail-down": Drill(
        "the mail server is out of reach while an alert is raised; the settings are changed for "
        "that, and put back",
        "临时修改配置使邮件服务器不可达并触发一条告警，随后恢复配置",
        telling.mail_down,
    ),
}


def find(name: str) -> Drill:
    """The drill of a name.

    Raises:
        BadRequest: there is none.
    """
    if name not in DRILLS:
        raise BadRequest(
            f"{name}: there is no such drill; there are: {', '.join(DRILLS)}",
            f"{name}：没有这个演练；可用的有：{'、'.join(DRILLS)}",
        )
    return DRILLS[name]
