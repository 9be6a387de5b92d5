"""Section `tracing`."""

from __future__ import annotations

from pydantic import field_validator

from seacod.config.setting import Section, setting
from seacod.system.net.listen_address import has_good_port
from seacod.system.text.words import WrongValue


class TracingSettings(
    Section, applies="replace", chinese="将请求各阶段作为 OpenTelemetry 跨度发送到何处；默认不发送"
):
    """Where the stages of requests are sent as OpenTelemetry's spans; nowhere by default."""

    otlp_endpoint: str = setting(
        "",
        "Where spans are sent, by OTLP over HTTP, such as http://127.0.0.1:4318/v1/traces (needs "
        "seacod[otel]); empty for nowhere",
        "OpenTelemetry 跨度的接收地址（OTLP/HTTP），例如 http://127.0.0.1:4318/v1/traces"
        "（需要 seacod[otel]）；留空表示不发送",
    )
    sample_ratio: float = setting(
        1.0,
        "Share of requests that are sent, of those whose caller does not decide it (traceparent)",
        "发送的请求比例；调用方在 traceparent 中已决定的除外",
        between=(0, 1),
    )
    service_name: str = setting(
        "seacod", "Name of the service in traces", "链路追踪中的服务名", min_length=1
    )

    @field_validator("otlp_endpoint")
    @classmethod
    def _is_address(cls, value: str) -> str:
        if value and not value.startswith(("http://", "https://")):
            raise WrongValue(
                f"{value!r} is no address of OTLP over HTTP, such as "
                "http://127.0.0.1:4318/v1/traces (gRPC, usually port 4317, is not spoken)",
                f"{value!r} 不是 OTLP/HTTP 地址，例如 http://127.0.0.1:4318/v1/traces"
                "（不支持 gRPC，通常为 4317 端口）",
            )
        if not has_good_port(value):
            raise WrongValue(
                f"{value!r}: a port is a number from 1 to 65535",
                f"{value!r}：端口须为 1 至 65535 的数字",
            )
        return value
