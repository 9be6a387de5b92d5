#!/usr/bin/env python3
"""How well speakers are told apart in made conversations, as docs/speakers.md has it.

    python tools/measure_speakers.py --models DIRECTORY

DIRECTORY is where `seacod model fetch resemblyzer` puts its models. Each conversation goes through
the whole engine with the built-in model; what is compared with the truth is what a client gets: the
sentences with their speakers. Needs espeak-ng, and pyannote.metrics (seacod[test]).
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import sys
import tempfile
import warnings
from collections import defaultdict
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))

import numpy as np
import soundfile
import structlog
from speakers.conversations import Conversation, conversation

from builtin_model.speech import Speaker
from seacod.asr.choice import SoundChoice
from seacod.asr.preparation import EnginePreparation
from seacod.asr.service import TranscriptionService
from seacod.asr.speakers.wanted import SpeakerRange
from seacod.config.schema import Settings
from seacod.metrics.worker import WorkerMetrics
from seacod.paths import Paths
from seacod.transcript import Transcript

_COUNTS = (2, 3, 4, 5)
# The custom of the field: a quarter of a second on both sides of each change is not counted.
_COLLAR_SECONDS = 0.5


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--models", type=Path, required=True)
    parser.add_argument("--model", default="auto", help="asr.speaker_model")
    parser.add_argument("--conversations", type=int, default=5, help="of each sort")
    parser.add_argument("--seconds", type=float, default=180.0)
    parser.add_argument("--seed", type=int, default=1000)
    asyncio.run(_measure(parser.parse_args()))


async def _measure(options: argparse.Namespace) -> None:
    warnings.filterwarnings("ignore", module="pyannote")
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    speaker = Speaker()
    with tempfile.TemporaryDirectory() as place:
        service = await _service(options, Path(place))
        print("speakers  overlap  |  number told: DER  without collar  |  number estimated: "
              "DER  without collar  confusion  numbers found")  # fmt: skip
        for is_overlapping in (False, True):
            for count in _COUNTS:
                made = [
                    conversation(
                        speaker, options.seed + number, count, options.seconds,
                        is_overlapping=is_overlapping,
                    )
                    for number in range(options.conversations)
                ]  # fmt: skip
                print(await _line(service, Path(place), made, count, is_overlapping), flush=True)
        await service.close()


async def _line(
    service: TranscriptionService,
    place: Path,
    made: list[Conversation],
    count: int,
    is_overlapping: bool,
) -> str:
    told: dict[str, list[float]] = defaultdict(list)
    found = []
    for one in made:
        path = place / "conversation.wav"
        soundfile.write(path, one.samples, 16_000)
        for kind, wanted in (("told", SpeakerRange(count, count)), ("free", SpeakerRange())):
            transcript = await service.transcribe(
                path, route="tool", choice=SoundChoice(speakers=wanted)
            )
            for collar in (_COLLAR_SECONDS, 0.0):
                parts = _errors(one, transcript, collar)
                told[f"{kind}{collar}"].append(parts["der"])
                told[f"{kind}{collar} confusion"].append(parts["confusion"])
        found.append(len(transcript.speakers))
    mean = {key: 100 * float(np.mean(values)) for key, values in told.items()}
    return (
        f"{count:8}  {'yes' if is_overlapping else 'no':7}  |  {mean['told0.5']:18.1f}  "
        f"{mean['told0.0']:14.1f}  |  {mean['free0.5']:21.1f}  {mean['free0.0']:14.1f}  "
        f"{mean['free0.5 confusion']:9.1f}  {' '.join(map(str, found))}"
    )


def _errors(made: Conversation, transcript: Transcript, collar: float) -> dict[str, float]:
    from pyannote.core import Annotation, Segment
    from pyannote.metrics.diarization import DiarizationErrorRate

    truth: Any = Annotation()
    for number, turn in enumerate(made.turns):
        truth[Segment(turn.start, turn.end), number] = turn.speaker
    heard: Any = Annotation()
    for number, said in enumerate(transcript.segments):
        if said.end_seconds > said.start_seconds:
            heard[Segment(said.start_seconds, said.end_seconds), number] = said.speaker
    metric: Any = DiarizationErrorRate(collar=collar)
    parts = metric(truth, heard, detailed=True)
    confusion = parts["confusion"] / parts["total"]
    return {"der": parts["diarization error rate"], "confusion": confusion}


async def _service(options: argparse.Namespace, place: Path) -> TranscriptionService:
    settings = Settings.model_validate(
        {
            "asr": {"models_directory": options.models, "speaker_model": options.model},
            "paths": {"state_directory": place},
        }
    )
    preparation = EnginePreparation(settings, Paths.resolve(settings), lambda *a, **b: None)
    service = TranscriptionService(settings, preparation.load_engine, WorkerMetrics())
    await service.start()
    await service.open()
    await service.with_engine(preparation.make_ready)
    return service


if __name__ == "__main__":
    main()
