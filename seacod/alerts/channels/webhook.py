"""A generic webhook: one JSON object a message, for whatever the operator has.

{"subject", "severity", "host", "text", "alerts": [{"kind", "key", "is_recovery", "at", "count",
"text", "evidence"}]}; any 2xx is a success.
"""

from __future__ import annotations

from collections.abc import Sequence

from seacod.alerts.channels import http
from seacod.alerts.channels.base import Undelivered
from seacod.alerts.compose import Composed, machine_name
from seacod.alerts.outbox import Message
from seacod.config.alerts import AlertSettings
from seacod.config.secrets import read_secret
from seacod.errors import ConfigError


class Webhook:
    """The channel `webhook`."""

    name = "webhook"

    def __init__(self, settings: AlertSettings) -> None:
        self._settings = settings

    async def send(self, composed: Composed, messages: Sequence[Message]) -> str:
        """Hand the message over."""
        try:
            url = read_secret(self._settings, "webhook_url_file")
        except ConfigError as error:
            raise Undelivered(error.message, is_ours=True) from None
        if url is None:
            raise Undelivered("there is no address of a webhook any more", is_ours=True)
        status, said = await http.post(
            url,
            {
                "subject": composed.subject,
                "severity": composed.severity.value,
                "host": machine_name(self._settings),
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
                        },
                    }
                    for message in messages
                ],
            },
        )
        return f"{status} {said}".strip()
