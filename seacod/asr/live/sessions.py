"""Opens sessions of microphones, as many as there may be. One for a worker."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace

from seacod import routes
from seacod.asr.admission import Admission
from seacod.asr.assembly import Assembly, SentenceWriter
from seacod.asr.counting import RequestCounters
from seacod.asr.decoder.voice import SileroVoice
from seacod.asr.hotword_lists import HotwordLists
from seacod.asr.live.caged_voice import CagedNetwork
from seacod.asr.live.microphone import Microphone
from seacod.asr.live.session import PARTIAL_EVERY_SECONDS, LiveSession
from seacod.asr.replacements.current import CurrentReplacements
from seacod.asr.request import RecognitionRequest
from seacod.asr.scheduler import Scheduler
from seacod.asr.speakers.speakers import Speakers
from seacod.asr.speakers.wanted import SpeakerRange
from seacod.config.limits import LimitSettings
from seacod.config.schema import Settings
from seacod.errors import QueueFull
from seacod.system.net.client_places import ClientPlaces
from seacod.transcript import Segment, TranscriptWarning

_RETRY_SECONDS = 30


class LiveSessions:
    """
    Args:
        settings: those of the worker.
        scheduler: has the model.
        admission: knows what else waits for it, and the other workers, which share the limit.
        writer: makes sentences.
        counters: count sessions as requests.
        hotwords: those of a request, and the server's.
        replacements: the server's rules for the text.
        speakers: tells them apart, for who asks.
    """

    def __init__(
        self,
        settings: Settings,
        scheduler: Scheduler,
        admission: Admission,
        writer: SentenceWriter,
        counters: RequestCounters,
        hotwords: HotwordLists,
        replacements: CurrentReplacements,
        speakers: Speakers,
    ) -> None:
        self._limits = settings.limits
        self._max_piece_seconds = settings.asr.max_segment_seconds
        self._scheduler = scheduler
        self._admission = admission
        self._writer = writer
        self._counters = counters
        self._hotwords = hotwords
        self._replacements = replacements
        self._speakers = speakers
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="seacod-live")
        self._network = CagedNetwork()
        self._places = ClientPlaces()

    @asynccontextmanager
    async def open(
        self,
        words: str,
        *,
        client: str,
        rate: int,
        before: Sequence[Segment] = (),
        offset_seconds: float = 0.0,
        speakers: SpeakerRange | None = None,
        route: str = routes.LIVE,
        wants_digits: bool = True,
        partial_every_seconds: float = PARTIAL_EVERY_SECONDS,
        remarks: tuple[TranscriptWarning, ...] = (),
    ) -> AsyncGenerator[LiveSession]:
        """A session for the time of the block.

        Args:
            words: hotwords as the user typed them.
            client: who speaks; clients take turns at the model.
            rate: samples a second of what will be fed.
            before: sentences of earlier sessions of the same recording.
            offset_seconds: where in that recording this session begins.
            speakers: how many are to be told apart in the transcript; None for not at all.
            route: where the session came from, for the metrics.
            wants_digits: numbers are to be written in digits, where the server does that at all.
            partial_every_seconds: a first text of what is being said is wanted so often.
            remarks: warnings about the request itself, for its transcript.

        Raises:
            NoSpeakerModel: there is no model for that.
            QueueFull: as many go on as there may be; who has none finds a few more.
            BadRequest: no microphone has that rate.
        """
        with self._counters.begun(route, client), self._place(client):
            track = self._speakers.begin(speakers) if speakers is not None else None
            microphone = Microphone(rate, self._max_piece_seconds)
            request = RecognitionRequest(
                client,
                await self._hotwords.of(words, client),
                wants_digits=wants_digits,
                remarks=remarks,
                replacements=await self._replacements.now(),
            )
            microphone.voice = await self._voice()
            async with LiveSession(
                request,
                microphone,
                Assembly(request, self._writer, before),
                self._scheduler,
                self._thread,
                is_idle=lambda: not self._admission.waiting,
                offset_seconds=offset_seconds,
                track=track,
                partial_every_seconds=partial_every_seconds,
            ) as session:
                yield session
        if session.transcript is not None:
            # What the sessions before it heard, they have counted.
            heard = max(0.0, session.transcript.duration_seconds - offset_seconds)
            own = replace(session.transcript, duration_seconds=heard)
            self._counters.success(route, client, own, own.processing_seconds)

    @property
    def sessions(self) -> int:
        """How many go on."""
        return len(self._places)

    def limit(self, limits: LimitSettings) -> None:
        """New limits, for sessions from now on."""
        self._limits = limits

    def close(self) -> None:
        self._thread.shutdown(wait=False, cancel_futures=True)
        self._network.close()

    @contextmanager
    def _place(self, client: str) -> Iterator[None]:
        """A place, from the look whether there is one."""
        others = sum(int(line.live) for line in self._admission.others())
        if not self._places.has_room(client, self._limits.live_sessions, others):
            count = self.sessions + others
            raise QueueFull(
                f"{count} live recordings are going on already, which is the limit; try "
                "again when one has ended",
                f"已有 {count} 路实时录音正在进行，达到上限；请稍后重试",
                retry_after_seconds=_RETRY_SECONDS,
            )
        try:
            with self._places.held(client):
                self._counters.microphones(self.sessions)
                yield
        finally:
            self._counters.microphones(self.sessions)

    async def _voice(self) -> SileroVoice:
        """Voice activity for one microphone; all of them have one process."""
        await asyncio.get_running_loop().run_in_executor(self._thread, self._network.begin)
        return SileroVoice(self._network)
