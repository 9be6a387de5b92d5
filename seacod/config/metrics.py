"""Section `metrics`."""

from __future__ import annotations

from seacod.config.setting import Section, setting


class MetricsSettings(Section, applies="restart", chinese="由守护进程提供的 Prometheus 指标页面"):
    """The Prometheus page, served by the supervisor."""

    host: str = setting(
        "127.0.0.1", "Address of the metrics page", "指标页面的监听地址", min_length=1
    )
    port: int = setting(
        8000,
        "Port of the metrics page; 0 switches it off",
        "指标页面的端口；0 表示关闭",
        between=(0, 65535),
    )
