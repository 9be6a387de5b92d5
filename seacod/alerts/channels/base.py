"""What a channel is: something that takes a composed message or says why not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from seacod.alerts.compose import Composed
from seacod.alerts.outbox import Message


class Undelivered(Exception):
    """The receiver did not take the message.

    Args:
        answer: what it said, in its own words, without secrets.
        is_final: trying again changes nothing (an address that does not exist).
        is_ours: something here has to be mended (a wrong password, a certificate): worth an alert.
    """

    def __init__(self, answer: str, *, is_final: bool = False, is_ours: bool = False) -> None:
        super().__init__(answer)
        self.answer = answer
        self.is_final = is_final
        self.is_ours = is_ours


class Channel(Protocol):
    """One way to reach people."""

    name: str

    async def send(self, composed: Composed, messages: Sequence[Message]) -> str:
        """Hand one message over.

        Returns:
            What the receiver answered.

        Raises:
            Undelivered: it did not take it.
        """
        ...
