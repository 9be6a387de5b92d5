"""What a channel is: something that takes a composed message or says why not."""

from __future__ import annotations

import abc
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, ClassVar, Generic, TypeVar

from seacod.config.secrets import find_secret, read_secret
from seacod.config.setting import Section
from seacod.errors import ConfigError
from seacod.system.text.words import Words

if TYPE_CHECKING:
    from seacod.alerts.alert import Message
    from seacod.alerts.compose import Composed
    from seacod.config.alerts import AlertSettings

Keys = TypeVar("Keys", bound=Section)


class Undelivered(Exception):
    """The receiver did not take the message.

    Args:
        answer: what it said, in its own words, without secrets; or in ours why it was not asked.
        chinese: the same, where the words are ours; what a receiver says is quoted as it is.
        is_final: trying again changes nothing (an address that does not exist).
        is_ours: something here has to be mended (a wrong password, a certificate): worth an alert.
        reached: of several receivers those who have taken it; they are not sent it again.
    """

    def __init__(
        self,
        answer: str,
        chinese: str = "",
        *,
        is_final: bool = False,
        is_ours: bool = False,
        reached: frozenset[str] = frozenset(),
    ) -> None:
        super().__init__(answer)
        self.answer = answer
        self.chinese = chinese or answer
        self.is_final = is_final
        self.is_ours = is_ours
        self.reached = reached


class Channel(abc.ABC, Generic[Keys]):
    """One way to reach people; made anew for each message, from the settings of the moment.

    A channel names itself (`name`: in the outbox, in logs, as an option of `seacod test-alert`),
    says what it is in English and Chinese (`about`), which settings it adds to the section `alerts`
    (`keys`; those with a secret name their credential) and which of them switches it on (`switch`).

    Args:
        settings: the whole section.
    """

    name: ClassVar[str]
    about: ClassVar[tuple[str, str]]
    switch: ClassVar[str]
    keys: type[Keys]

    def __init__(self, settings: AlertSettings) -> None:
        self.settings: AlertSettings = settings
        assert isinstance(settings, self.keys)
        self.own: Keys = settings

    @property
    def is_configured(self) -> bool:
        """Whether anything is to be sent here."""
        if self.keys.declared(self.switch).credential:
            return find_secret(self.own, self.switch) is not None
        return bool(getattr(self.own, self.switch))

    @abc.abstractmethod
    async def send(self, composed: Composed, messages: Sequence[Message]) -> str:
        """Hand one message over.

        Returns:
            What the receiver answered.

        Raises:
            Undelivered: it did not take it.
        """

    async def greet(self) -> Words:
        """Find out without sending anything whether a message could be sent.

        Returns:
            What was found out; empty where only a message can tell.

        Raises:
            Undelivered: why none could.
        """
        for key, problem in self.problems():
            raise Undelivered(
                f"alerts.{key}: {problem[0]}", f"alerts.{key}：{problem[1]}", is_ours=True
            )
        return "", ""

    def problems(self) -> Iterator[tuple[str, Words]]:
        """What `seacod config check` finds beyond types and secrets: a key and a sentence each."""
        yield from ()

    def secret(self, key: str) -> str | None:
        """The secret of one of our keys.

        Raises:
            Undelivered: it cannot be read.
        """
        try:
            return read_secret(self.own, key)
        except ConfigError as error:
            raise Undelivered(*error.words, is_ours=True) from None
