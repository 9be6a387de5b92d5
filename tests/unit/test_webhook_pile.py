"""A webhook whose receiver was away for long: everything is told, in a body that it can take."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from seacod.alerts.alert import Alert, Message
from seacod.alerts.channels import http
from seacod.alerts.channels.webhook import Webhook
from seacod.alerts.compose import compose
from seacod.config.alerts import AlertSettings


def test_of_a_pile_the_newest_are_whole_and_the_older_ones_have_their_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[Any] = []

    async def post(_: str, body: Any) -> tuple[int, str]:
        sent.append(body)
        return 200, "ok"

    monkeypatch.setattr(http, "post", post)
    address = tmp_path / "address"
    address.write_text("https://example.org/hook")
    address.chmod(0o600)
    settings = AlertSettings(webhook_url_file=address)
    pile = [
        Message(
            id=n, channel="webhook", count=1, state="waiting", attempts=5, made_at=5.0, due_at=0.0,
            done_at=None, answer="",
            alert=Alert("leak", str(n), {"en": f"no {n}", "zh": "y"}, 5.0, evidence={"pid": n}),
        )
        for n in range(50)
    ]  # fmt: skip
    asyncio.run(Webhook(settings).send(compose(pile, settings), pile))
    (body,) = sent
    assert [one["text"]["en"] for one in body["alerts"]] == [f"no {n}" for n in range(50)]
    assert [one["evidence"] for one in body["alerts"]] == [{}] * 30 + [
        {"pid": n} for n in range(30, 50)
    ]
