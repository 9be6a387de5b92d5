"""Every setting: its type, default, limits, unit and meaning (English and Chinese), and how a
change takes effect; a file beside this one for each section.

`etc/seacod.yaml` is generated from here (`seacod config example`), so a setting is described once.
Numbers carry their unit in the name.
"""

from __future__ import annotations

from pydantic import BaseModel, model_validator

from seacod.accelerators.registry import meant
from seacod.config.access import AccessSettings
from seacod.config.alerts import AlertSettings
from seacod.config.asr import AsrSettings
from seacod.config.gpu import GpuSettings
from seacod.config.limits import LimitSettings
from seacod.config.log import LogSettings
from seacod.config.metrics import MetricsSettings
from seacod.config.outgoing import OutgoingSettings
from seacod.config.paths import PathSettings
from seacod.config.results import ResultSettings
from seacod.config.server import ServerSettings
from seacod.config.setting import Section
from seacod.config.storage import StorageSettings
from seacod.config.supervisor import SupervisorSettings
from seacod.config.tracing import TracingSettings
from seacod.config.worker import WorkerSettings
from seacod.system.text.words import WrongValue


class Settings(BaseModel):
    """All settings of one seacod service."""

    model_config = Section.model_config

    server: ServerSettings = ServerSettings()
    metrics: MetricsSettings = MetricsSettings()
    asr: AsrSettings = AsrSettings()
    limits: LimitSettings = LimitSettings()
    results: ResultSettings = ResultSettings()
    access: AccessSettings = AccessSettings()
    outgoing: OutgoingSettings = OutgoingSettings()
    worker: WorkerSettings = WorkerSettings()
    supervisor: SupervisorSettings = SupervisorSettings()
    gpu: GpuSettings = GpuSettings()
    alerts: AlertSettings = AlertSettings()
    storage: StorageSettings = StorageSettings()
    paths: PathSettings = PathSettings()
    log: LogSettings = LogSettings()
    tracing: TracingSettings = TracingSettings()

    @model_validator(mode="after")
    def _combinations(self) -> Settings:
        """Refuse what is right section by section but impossible together."""
        ports = {one.port for one in self.server.addresses if one.port}
        if self.metrics.port in ports:
            raise WrongValue(
                f"metrics.port: {self.metrics.port} is also server.port; give the metrics page a "
                "port of its own, or 0 to switch it off",
                f"metrics.port：{self.metrics.port} 与 server.port 相同；请为指标页另设端口，"
                "或设为 0 关闭",
            )
        if self.server.funasr_port in ports:
            raise WrongValue(
                f"server.funasr_port: {self.server.funasr_port} is also that of page and API; give "
                "it one of its own, or 0 for none",
                f"server.funasr_port：{self.server.funasr_port} 与网页和 API 的端口相同；"
                "请另设端口，或设为 0 关闭",
            )
        if self.supervisor.workers != "1" and ":" in self.asr.device:
            kind = meant(self.asr.device)[0]
            raise WrongValue(
                f"asr.device: {self.asr.device} names one GPU for {self.supervisor.workers} "
                f"workers; write auto or {kind.device}, and choose GPUs with {kind.visibility}",
                f"asr.device：{self.asr.device} 只指定了一块显卡，而识别进程数为 "
                f"{self.supervisor.workers}；请写 auto 或 {kind.device}，"
                f"并用 {kind.visibility} 选择显卡",
            )
        if self.results.recordings and not self.results.database:
            raise WrongValue(
                "results.recordings: is for batches that nodes share; without results.database "
                "they lie in the state directory of this machine",
                "results.recordings：仅用于多节点共享的批量任务；未设置 results.database 时，"
                "录音保存在本机状态目录",
            )
        return self


SECTIONS: dict[str, type[Section]] = {
    name: type(info.default) for name, info in Settings.model_fields.items()
}

# Settings that name a file with a secret: section, key, systemd credential.
SECRETS: list[tuple[str, str, str]] = [
    (name, key, credential)
    for name, section in SECTIONS.items()
    for key in section.model_fields
    if (credential := section.declared(key).credential)
]
