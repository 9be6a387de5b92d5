"""Punctuation: on a thread of its own, sentence by sentence; without room the text stays as it is.

ct-punc cannot be fetched here, so a stand-in writes the marks; everything around it is real.
"""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest
import sounds
import torch

from seacod.asr.recognisers.seaco_paraformer import SeacoParaformer
from seacod.asr.service import TranscriptionService
from seacod.config.schema import Settings
from seacod.metrics.worker import WorkerMetrics
from seacod.models import registry
from seacod.transcript import Transcript

LONG = max(sounds.EXAMPLES, key=lambda e: float(e["seconds"]))


class Marks:
    """Ends every text with a full stop, and says on which thread."""

    def __init__(self) -> None:
        self.threads: set[str] = set()
        self.has_room = True

    def generate(self, *, input: str, **_: object) -> list[dict[str, str]]:
        self.threads.add(threading.current_thread().name)
        if not self.has_room:
            raise torch.OutOfMemoryError("CUDA out of memory (forced by a test)")
        return [{"text": f"{input[:2]}，{input[2:]}。"}]


def transcribed(marks: Marks) -> Transcript:
    settings = Settings()

    def load() -> SeacoParaformer:
        engine = SeacoParaformer(registry.resolve(settings.asr, registry.BUILTIN), 1)
        punctuation: Any = marks
        engine._punctuation = punctuation
        return engine

    async def run() -> Transcript:
        service = TranscriptionService(settings, load, WorkerMetrics())
        await service.start()
        await service.open()
        try:
            return await service.transcribe(
                sounds.EXAMPLES_DIRECTORY / LONG["file"], route="/transcribe"
            )
        finally:
            await service.close()

    return asyncio.run(run())


def test_sentences_are_punctuated_beside_the_model() -> None:
    marks = Marks()
    transcript = transcribed(marks)
    expected = LONG["text"].split()
    assert [s.text for s in transcript.segments] == [f"{t[:2]}，{t[2:]}。" for t in expected]
    assert transcript.text == "".join(s.text for s in transcript.segments)
    assert len(marks.threads) == 1
    assert marks.threads.pop().startswith("seacod-text")


def test_without_room_the_text_stays_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    marks = Marks()
    marks.has_room = False
    transcript = transcribed(marks)
    assert [s.text for s in transcript.segments] == LONG["text"].split()
