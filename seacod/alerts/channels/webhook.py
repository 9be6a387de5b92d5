"""A generic webhook: one JSON object a message, for whatever the operator has.

{"subject", "severity", "host", "text", "alerts": [{"kind", "key", "is_recovery", "at", "count",
"text", "evidence"}]}; any 2xx is a success.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from seacod.alerts.alert import Message
from seacod.alerts.channels import http
from seacod.alerts.channels.base import Channel, Undelivered
from seacod.alerts.compose import Composed, machine_name
from seacod.config.setting import Section, setting
from seacod.system.text.words import Words

# Of a pile that was not taken for long, so many have their figures and lines; the older ones only
# their words, so that no receiver refuses it for its size.
_WHOLE = 20


class WebhookKeys(Section, applies="live"):
    """Its part of the section `alerts`."""

    webhook_url_file: Path | None = setting(
        None,
        "File with the address of a webhook that takes JSON",
        "通用 webhook 地址文件",
        credential="webhook-url",
    )


class Webhook(Channel[WebhookKeys]):
    """The channel `webhook`."""

    name = "webhook"
    about = ("any receiver of JSON by HTTP POST", "任意接收 JSON 的 HTTP 地址")
    switch = "webhook_url_file"
    keys = WebhookKeys

    async def send(self, composed: Composed, messages: Sequence[Message]) -> str:
        """Hand the message over."""
        url = self.secret("webhook_url_file")
        if url is None:
            raise Undelivered(
                "the address of the webhook is no longer configured",
                "webhook 地址已不在配置中",
                is_ours=True,
            )
        status, said = await http.post(
            url,
            {
                "subject": composed.subject,
                "severity": composed.severity.value,
                "host": machine_name(self.settings),
                "text": composed.text,
                "alerts": [
                    {
                        "kind": message.alert.kind,
                        "key": message.alert.key,
                        "is_recovery": message.alert.is_recovery,
                        "at": message.alert.at,
                        "count": message.count,
                        "text": message.alert.text,
                        "evidence": {
                            k: v for k, v in message.alert.evidence.items() if k[:1] != "_"
                        }
                        if number >= len(messages) - _WHOLE
                        else {},
                    }
                    for number, message in enumerate(messages)
                ],
            },
        )
        return f"{status} {said}".strip()

    def problems(self) -> Iterator[tuple[str, Words]]:
        """An address that is none."""
        return http.problems(self, self.switch)


CHANNEL = Webhook
