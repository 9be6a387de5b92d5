"""The model on a real GPU, where there is one: the same text, and a real end of memory."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import numpy as np
import pytest
import sounds
import torch

from seacod.asr import audio
from seacod.asr.hotwords import Hotwords
from seacod.asr.recognisers.seaco_paraformer import SeacoParaformer
from seacod.asr.request import RecognitionRequest
from seacod.asr.scheduler import Scheduler
from seacod.config.asr import AsrSettings
from seacod.models import registry

pytestmark = pytest.mark.skipif(
    not torch.cuda.is_available(), reason="PyTorch sees no GPU on this machine"
)
# Of the card, for PyTorch in this process: little enough for a big batch not to fit.
_ROOM_BYTES = 512 << 20


def loaded() -> SeacoParaformer:
    return SeacoParaformer(registry.resolve(AsrSettings(), registry.BUILTIN), 1)


@pytest.fixture(autouse=True)
def all_the_memory() -> Iterator[None]:
    yield
    torch.cuda.set_per_process_memory_fraction(1.0)
    torch.cuda.empty_cache()


def test_a_loaded_model_holds_no_gpu_memory_and_a_placed_one_says_the_same() -> None:
    engine = loaded()
    assert torch.cuda.memory_reserved() == 0
    speech = audio.decode(sounds.SPEECH, max_seconds=60)
    on_cpu = engine.recognise([speech] * 3)
    engine.place("cuda", "float32")
    assert torch.cuda.memory_reserved() > 0
    on_gpu = engine.recognise([speech] * 3)
    assert [heard.text for heard in on_gpu] == [heard.text for heard in on_cpu]
    assert engine.reserved_bytes() > 0


def test_a_real_end_of_memory_halves_the_batch_and_everybody_is_answered() -> None:
    total = torch.cuda.get_device_properties(0).total_memory
    torch.cuda.set_per_process_memory_fraction(_ROOM_BYTES / total)
    speech = audio.decode(sounds.SPEECH, max_seconds=60)
    long = np.resize(speech, 20 * audio.SAMPLE_RATE)

    def load() -> SeacoParaformer:
        engine = loaded()
        engine.place("cuda", "float32")
        return engine

    async def run() -> None:
        scheduler = Scheduler(load, batch_seconds=20_000, gathering_seconds=0.2)
        await scheduler.start()
        scheduler.expected = 1
        request = RecognitionRequest("someone", Hotwords())
        heard = await asyncio.gather(*(scheduler.submit(request, long) for _ in range(600)))
        assert all(sounds.SPEECH_TEXT in one.recognised.text for one in heard)
        assert scheduler.budget_seconds < 20_000
        scheduler.stop()

    asyncio.run(run())
