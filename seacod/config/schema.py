"""Every setting: its type, default, limits, unit and meaning (English and Chinese).

`etc/seacod.yaml` is generated from here (`seacod config example`), so a setting is described once.
Numbers carry their unit in the name. The sections lie in files of their own beside this one.
"""

from __future__ import annotations

from pathlib import Path

from pydantic import model_validator

from seacod.config.recognition import AsrSettings, LimitSettings, ResultSettings
from seacod.config.serving import AccessSettings, MetricsSettings, ServerSettings
from seacod.config.setting import Section, setting
from seacod.config.telling import AlertSettings, LogSettings, addresses
from seacod.config.watching import GpuSettings, StorageSettings, SupervisorSettings, WorkerSettings

__all__ = [
    "AccessSettings", "AlertSettings", "AsrSettings", "GpuSettings", "LimitSettings", "LogSettings",
    "MetricsSettings", "PathSettings", "ResultSettings", "ServerSettings", "Settings",
    "StorageSettings", "SupervisorSettings", "WorkerSettings", "addresses",
]  # fmt: skip


class PathSettings(Section):
    """Directories. Empty: what systemd gives the unit, else a place under the user's home."""

    state_directory: Path | None = setting(
        None,
        "Results and fetched models (systemd: /var/lib/seacod)",
        "结果与模型（systemd 下为 /var/lib/seacod）",
    )
    runtime_directory: Path | None = setting(
        None,
        "Status socket and metrics files (systemd: /run/seacod)",
        "状态套接字与指标文件（systemd 下为 /run/seacod）",
    )
    temp_directory: Path | None = setting(
        None,
        "Uploads while they are being worked on; empty: uploads/ in the state directory",
        "处理中的上传文件；留空表示状态目录下的 uploads/",
    )


class Settings(Section):
    """All settings of one seacod service."""

    server: ServerSettings = ServerSettings()
    metrics: MetricsSettings = MetricsSettings()
    asr: AsrSettings = AsrSettings()
    limits: LimitSettings = LimitSettings()
    results: ResultSettings = ResultSettings()
    access: AccessSettings = AccessSettings()
    worker: WorkerSettings = WorkerSettings()
    supervisor: SupervisorSettings = SupervisorSettings()
    gpu: GpuSettings = GpuSettings()
    alerts: AlertSettings = AlertSettings()
    storage: StorageSettings = StorageSettings()
    paths: PathSettings = PathSettings()
    log: LogSettings = LogSettings()

    @model_validator(mode="after")
    def _combinations(self) -> Settings:
        """Refuse what is right key by key but impossible together."""
        if self.metrics.port != 0 and self.metrics.port == self.server.port:
            raise ValueError(
                f"metrics.port: {self.metrics.port} is also server.port; give the metrics page a "
                "port of its own, or 0 to switch it off"
            )
        if "@" in self.results.database and ":" in _credentials(self.results.database):
            raise ValueError(
                "results.database: must not hold the password; put it into the file named by "
                "results.database_password_file"
            )
        alerts = self.alerts
        if alerts.mail_server and not (alerts.mail_to and alerts.mail_from):
            missing = "mail_to" if not alerts.mail_to else "mail_from"
            raise ValueError(f"alerts.mail_server: needs alerts.{missing}, too")
        if len(addresses(alerts.mail_from)) > 1:
            raise ValueError("alerts.mail_from: must be one address")
        if self.supervisor.workers != "1" and self.asr.device.startswith("cuda:"):
            raise ValueError(
                f"asr.device: {self.asr.device} names one GPU for {self.supervisor.workers} "
                "workers; write auto or cuda, and choose GPUs with CUDA_VISIBLE_DEVICES"
            )
        if self.supervisor.backoff_max_seconds < self.supervisor.backoff_initial_seconds:
            raise ValueError(
                "supervisor.backoff_max_seconds: must not be less than "
                "supervisor.backoff_initial_seconds"
            )
        return self


def _credentials(address: str) -> str:
    """What stands before the host of an address."""
    return address.partition("://")[2].rpartition("@")[0]
