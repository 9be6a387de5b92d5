"""Every kind of alert: how bad it is and what it is called. The one place."""

from __future__ import annotations

import enum
from dataclasses import dataclass


class Severity(enum.Enum):
    """How soon somebody should look."""

    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"

    def word(self, language: str) -> str:
        """For subjects and headings."""
        english, chinese = _WORDS[self]
        return chinese if language == "zh" else english


_WORDS = {
    Severity.INFO: ("info", "信息"),
    Severity.WARNING: ("warning", "警告"),
    Severity.CRITICAL: ("CRITICAL", "严重"),
}


class About(enum.Enum):
    """What the key of an alert names; an alert whose key names nothing that is there any more is
    closed by `supervisor/watch/alerting.py`."""

    SERVICE = "service"
    """The whole service; the key is empty."""
    REPLICA = "replica"
    """One worker of several, or the only one; the key is its name, see `Replica`."""
    GPU = "gpu"
    DIRECTORY = "directory"
    """Its path, with "inodes " before it where it is about them."""
    CHANNEL = "channel"


@dataclass(frozen=True, slots=True)
class AlertKind:
    """One kind of alert.

    Args:
        name: in logs, the configuration (alerts.muted) and webhooks.
        severity: of an alert; its recovery is always INFO.
        english: title.
        chinese: title.
        about: what its key names, of an alert that has a moment when it is over; None where it has
            none.
    """

    name: str
    severity: Severity
    english: str
    chinese: str
    about: About | None = None

    @property
    def has_recovery(self) -> bool:
        """Whether there is a moment when it is over, which is told, too."""
        return self.about is not None

    def title(self, language: str) -> str:
        return self.chinese if language == "zh" else self.english


_W, _C, _I = Severity.WARNING, Severity.CRITICAL, Severity.INFO
_SERVICE, _REPLICA, _GPU = About.SERVICE, About.REPLICA, About.GPU
_DIRECTORY, _CHANNEL = About.DIRECTORY, About.CHANNEL

KINDS = {
    kind.name: kind
    for kind in (
        AlertKind("worker_crashed", _W, "the recognition process ended",
                  "识别进程异常退出", _REPLICA),
        AlertKind("worker_hung", _W, "the recognition process hung and was ended",
                  "识别进程卡死，已重启", _REPLICA),
        AlertKind("crash_loop", _C, "the recognition process does not start",
                  "识别进程反复启动失败", _REPLICA),
        AlertKind("crash_storm", _C, "the recognition process keeps ending, and is replaced",
                  "识别进程反复崩溃并恢复", _REPLICA),
        AlertKind("gpu_memory", _W, "GPU memory is running out", "显存即将用尽", _GPU),
        AlertKind("gpu_foreign", _W, "GPU memory is taken by others", "显存被其他程序占用", _GPU),
        AlertKind("gpu_acted", _W, "the worker was replaced for its GPU memory",
                  "因显存过高更换了识别进程"),
        AlertKind("gpu_lost", _C, "the GPU does not answer", "GPU 无响应", _GPU),
        AlertKind("out_of_memory", _W, "recordings did not fit into GPU memory",
                  "显存不足，部分录音无法处理"),
        AlertKind("error_rate", _C, "many requests fail", "大量请求失败", _REPLICA),
        AlertKind("queue_full", _W, "the queue is full", "队列持续占满", _SERVICE),
        AlertKind("crowded", _W, "connections find no room", "连接数持续达到上限", _REPLICA),
        AlertKind("stalled", _C, "work is waiting and the model makes no progress",
                  "有任务等待但模型没有进展", _REPLICA),
        AlertKind("logins", _W, "many logins with a wrong password", "大量登录密码错误", _REPLICA),
        AlertKind("disk_low", _W, "the disk is running full", "磁盘空间不足", _DIRECTORY),
        AlertKind("disk_full", _C, "uploads are refused for want of disk space",
                  "磁盘已满，拒绝上传", _DIRECTORY),
        AlertKind("storage", _C, "a place that the service writes to cannot be used",
                  "数据目录无法使用", _DIRECTORY),
        AlertKind("runtime_files", _W, "files of the running service were removed",
                  "运行目录中的文件被删除"),
        AlertKind("jobs", _C, "batches cannot be taken", "无法受理批量任务", _REPLICA),
        AlertKind("jobs_place", _C, "the place of the recordings of batches cannot be used",
                  "批量任务录音的存放位置无法使用", _REPLICA),
        AlertKind("jobs_lost", _C, "the database of the batches was removed",
                  "批量任务数据库被删除"),
        AlertKind("leak", _W, "the worker's memory grows; it was replaced",
                  "识别进程内存持续增长，已更换"),
        AlertKind("canary", _C, "the known recording is not recognised", "已知录音识别失败"),
        AlertKind("poison", _C, "a recording ends the recognition process",
             "有录音反复导致识别进程退出"),
        AlertKind("configuration", _W, "the new configuration was refused", "新的配置被拒绝"),
        AlertKind("paused", _W, "the service has been paused for hours",
                  "服务已暂停数小时", _SERVICE),
        AlertKind("alerts_lost", _C, "the database of the alerts was damaged", "告警数据库已损坏"),
        AlertKind("delivery", _W, "messages cannot be delivered", "告警消息无法送达", _CHANNEL),
        AlertKind("test", _I, "test message", "测试消息"),
    )
}  # fmt: skip
