"""`seacod bench live`: how long people at a microphone wait for their words.

Each microphone speaks the shipped sentences with pauses between them, as fast as people do. What is
measured is what a reader sees: the time from the first sound of a sentence to the first guess at
it, and from its last sound to the sentence as it stays.
"""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from seacod.client import AsyncClient
from seacod.client.live import Final, LiveSession, Partial
from seacod.errors import EX_OK
from seacod.proving import sounds
from seacod.proving.progress import busy_with
from seacod.proving.service import private_service
from seacod.proving.statistics import quantile
from seacod.proving.table import Table
from seacod.system.text.terminal import print_words

if TYPE_CHECKING:
    from seacod.asr.audio import Samples

HELP = "how long people at microphones wait for their text"
_PAUSE_SECONDS = 1.5
# What is quieter than this beside the loudest is the end of a sentence, not a part of it.
_SILENT = 0.03


@dataclass(frozen=True, slots=True)
class LiveFigures:
    """Seconds, over all sentences of all microphones."""

    microphones: int
    sentences: int
    guess_p50: float
    guess_p95: float
    final_p50: float
    final_p95: float
    final_max: float
    missing: int


@dataclass(frozen=True, slots=True)
class _SpokenSentence:
    begins: float
    ends: float


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--microphones",
        type=int,
        nargs="+",
        default=[1, 4, 8],
        help="numbers of microphones (1 4 8)",
    )
    parser.add_argument("--rounds", type=int, default=2, help="times all sentences are said (2)")
    parser.add_argument("--device", default="auto", help="asr.device (auto)")
    parser.add_argument("--model", default="builtin", help="asr.model (builtin)")


def run(options: argparse.Namespace) -> int:
    """Measure, and print."""
    rounds = max(1, options.rounds)
    found = measure(options.model, options.device, options.microphones, rounds)
    if options.json:
        print(json.dumps([dataclasses.asdict(figures) for figures in found]))
        return EX_OK
    print_words(
        "first: seconds from a sentence's first sound to the first guess at it; final: from "
        "its last sound to its text",
        "首字：从一句的第一个音到首次显示文字的秒数；定稿：从最后一个音到文字确定的秒数",
    )
    table = Table[LiveFigures](
        (("microphones", "麦克风"), lambda f: str(f.microphones)),
        (("sentences", "句数"), lambda f: str(f.sentences)),
        (("missing", "缺失"), lambda f: str(f.missing)),
        (("first p50", "首字 P50"), lambda f: f"{f.guess_p50:.2f}"),
        (("first p95", "首字 P95"), lambda f: f"{f.guess_p95:.2f}"),
        (("final p50", "定稿 P50"), lambda f: f"{f.final_p50:.2f}"),
        (("final p95", "定稿 P95"), lambda f: f"{f.final_p95:.2f}"),
        (("final max", "定稿最慢"), lambda f: f"{f.final_max:.2f}"),
        first_columns=11,
    )
    table.show(found)
    return EX_OK


def measure(model: str, device: str, microphones: Sequence[int], rounds: int) -> list[LiveFigures]:
    """One run for each number of microphones, on a service of the bench's own.

    Args:
        model: asr.model.
        device: asr.device.
        microphones: how many at once.
        rounds: how often each speaks all sentences.

    Raises:
        SeacodError: one was refused, or was told of an error.
    """
    most = max(microphones)
    with private_service(
        model,
        asr={"device": device},
        limits={"live_sessions": most},
    ) as service:
        said = sounds.sentences()
        # What a first sentence costs once is not what is measured.
        asyncio.run(_run(service.url, 1, said[:1]))
        return [_shown(service.url, count, said * rounds) for count in microphones]


def _shown(url: str, count: int, said: Sequence[Samples]) -> LiveFigures:
    with busy_with(f"{count} microphones speak", f"{count} 个麦克风正在说话"):
        return asyncio.run(_run(url, count, said))


async def _run(url: str, count: int, said: Sequence[Samples]) -> LiveFigures:
    sound, sentences = _speech(said)
    people = [_Person() for _ in range(count)]
    async with AsyncClient(url) as client:
        # People do not begin in step.
        speaking = (one.speak(client, sound, 0.37 * n) for n, one in enumerate(people))
        await asyncio.gather(*speaking)
    guesses, finals, missing = [], [], 0
    for person in people:
        for sentence in sentences:
            guess = person.delay(person.guesses, sentence.begins, sentence.ends)
            final = person.delay(person.finals, sentence.ends, sentence.ends + _PAUSE_SECONDS)
            if guess is not None:
                guesses.append(guess)
            if final is None:
                missing += 1
            else:
                finals.append(final)
    return LiveFigures(
        count, count * len(sentences), quantile(guesses, 0.5), quantile(guesses, 0.95),
        quantile(finals, 0.5), quantile(finals, 0.95), max(finals, default=0.0), missing,
    )  # fmt: skip


def _speech(said: Sequence[Samples]) -> tuple[Samples, list[_SpokenSentence]]:
    """The sentences with pauses, and where each is heard, in seconds."""
    import numpy as np

    from seacod.asr.audio import SAMPLE_RATE

    pause = np.zeros(int(_PAUSE_SECONDS * SAMPLE_RATE), dtype=np.float32)
    parts, sentences, at = [], [], 0
    for one in said:
        loud = np.flatnonzero(np.abs(one) > _SILENT * np.abs(one).max())
        sentences.append(
            _SpokenSentence((at + loud[0]) / SAMPLE_RATE, (at + loud[-1]) / SAMPLE_RATE)
        )
        parts += [one, pause]
        at += len(one) + len(pause)
    return np.concatenate(parts), sentences


class _Person:
    """Speaks into one microphone, and notes when what was read: seconds from the first sound."""

    def __init__(self) -> None:
        self.guesses: list[float] = []
        self.finals: list[float] = []

    def delay(self, times: list[float], since: float, until: float) -> float | None:
        """From `since` to the first of `times` after it, given that came before `until`, with a
        second of grace; None when there is none."""
        after = [t for t in times if since <= t <= until + 1.0]
        return after[0] - since if after else None

    async def speak(self, client: AsyncClient, sound: Samples, delay_seconds: float) -> None:
        """
        Raises:
            SeacodError: it was refused, or broke off.
        """
        from seacod.asr.audio import SAMPLE_RATE

        await asyncio.sleep(delay_seconds)
        async with client.live(SAMPLE_RATE) as session:
            began = time.monotonic()
            speaking = asyncio.ensure_future(_say(session, sound, began))
            try:
                async for event in session:
                    now = time.monotonic() - began
                    if isinstance(event, Partial) and event.text:
                        self.guesses.append(now)
                    elif isinstance(event, Final) and event.segments:
                        self.finals.append(now)
            finally:
                speaking.cancel()
                await asyncio.wait({speaking})
                # What broke off for it broke off for the reader, too.
                speaking.cancelled() or speaking.exception()


async def _say(session: LiveSession, sound: Samples, began: float) -> None:
    for seconds, block in sounds.spoken(sound):
        await asyncio.sleep(max(0.0, began + seconds - time.monotonic()))
        await session.send(block)
    await session.stop()
