"""What is said in one live session of the Realtime API, told as utterances. Made by
`conversation.py`, which gives it sound and has its events sent.
"""

from __future__ import annotations

import asyncio
import contextlib
import os.path
from collections.abc import Sequence
from typing import TYPE_CHECKING

from seacod.asr.live.session import FinalSentences, LiveSession, PartialText
from seacod.errors import SeacodError
from seacod.system.processes.waiting import end_task
from seacod.transcript import Segment
from seacod.web.realtime import events

if TYPE_CHECKING:
    from seacod.web.realtime.conversation import Conversation


class Utterances:
    """One live session, and its texts as they are told.

    Args:
        conversation: tells them.
        session: hears them.
        stack: closes it.
        began_at: where it begins, in seconds since the first sound.
    """

    def __init__(
        self,
        conversation: Conversation,
        session: LiveSession,
        stack: contextlib.AsyncExitStack,
        began_at: float,
    ) -> None:
        self.session = session
        self.began_at = began_at
        self._conversation = conversation
        self._stack = stack
        self._is_manual = conversation.wishes.is_manual
        self._wants_log_probabilities = conversation.wishes.wants_log_probabilities
        self._item: str | None = None
        # What was told of the utterance that goes on, and the last guess at it.
        self._told, self._guess = "", ""
        self._count = 0
        self._segments: list[Segment] = []
        self._telling = asyncio.ensure_future(self._tell())

    @property
    def is_over(self) -> bool:
        """Whether nothing more is told: the model could not go on, or nobody listens."""
        return self._telling.done()

    async def finish(self, *, is_asked: bool) -> None:
        """Tell the rest; as `Conversation` does when it ends."""
        if self.is_over:
            self._telling.result()
            return
        finishing = asyncio.ensure_future(self.session.finish())
        try:
            await asyncio.wait({finishing, self._telling}, return_when=asyncio.FIRST_COMPLETED)
            if not finishing.done():
                # It failed, and was told so.
                self._telling.result()
                return
            finishing.result()
            await self._telling
        finally:
            await end_task(finishing)
        if self._is_manual or (is_asked and not self._count):
            await self._whole(self._segments)

    async def close(self) -> None:
        await end_task(self._telling)
        await self._stack.aclose()

    async def _tell(self) -> None:
        while (event := await self.session.events.get()) is not None:
            if isinstance(event, SeacodError):
                await self._conversation.tell(events.failed(self._item or events.new_item(), event))
                return
            if isinstance(event, PartialText):
                if not self._is_manual:
                    await self._partly(event)
            elif isinstance(event, FinalSentences) and event.segments:
                if self._is_manual:
                    self._segments += event.segments
                else:
                    await self._whole(event.segments, event.until_seconds)

    async def _partly(self, partial: PartialText) -> None:
        """Tell what two guesses in a row agree on."""
        if not partial.text:
            return
        agreed = os.path.commonprefix([self._guess, partial.text])
        self._guess = partial.text
        item = await self._begun(partial.since_seconds)
        if agreed.startswith(self._told) and len(agreed) > len(self._told):
            added, self._told = agreed[len(self._told) :], agreed
            await self._conversation.tell(events.delta(item, added))

    async def _begun(self, at_seconds: float) -> str:
        """The utterance that goes on; the first word of it is told."""
        if self._item is None:
            self._item = events.new_item()
            await self._conversation.tell(
                events.event(
                    "input_audio_buffer.speech_started",
                    item_id=self._item,
                    audio_start_ms=round(1000 * at_seconds),
                )
            )
        return self._item

    async def _whole(self, segments: Sequence[Segment], until_seconds: float | None = None) -> None:
        """Tell a finished utterance.

        Args:
            segments: its sentences.
            until_seconds: where it ends in the session; None where the client ended it.
        """
        tell = self._conversation.tell
        text = self._conversation.sentence_gap.join(segment.text for segment in segments)
        if until_seconds is None:
            item = events.new_item()
        else:
            item = await self._begun(segments[0].start_seconds)
            ended = round(1000 * (self.began_at + until_seconds))
            await tell(
                events.event("input_audio_buffer.speech_stopped", item_id=item, audio_end_ms=ended)
            )
        await self._conversation.committed(item)
        # Where the guesses were wrong, only the whole text says so.
        if text.startswith(self._told) and len(text) > len(self._told):
            await tell(events.delta(item, text[len(self._told) :]))
        await tell(
            events.completed(
                item, text, segments, with_log_probabilities=self._wants_log_probabilities
            )
        )
        self._item, self._told, self._guess = None, "", ""
        self._count += 1
