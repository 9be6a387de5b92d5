"""Random files: every sentence in them is found within 0.3 s of its place, or a warning covers it.

Containers, codecs, gaps, late beginnings, damage, cuts, several tracks and channels, by a fixed
seed; the engine is the real one with the built-in model, the decoding processes are real, too."""

from __future__ import annotations

import asyncio
import os
import random
from dataclasses import dataclass, field
from pathlib import Path

import containers
import numpy as np
import pytest
import sounds
from containers import RATE, Sound, Track

from seacod.asr import audio
from seacod.asr.recognisers.seaco_paraformer import SeacoParaformer
from seacod.asr.service import TranscriptionService
from seacod.config.asr import AsrSettings
from seacod.config.schema import Settings
from seacod.errors import SeacodError
from seacod.metrics.worker import WorkerMetrics
from seacod.models import registry
from seacod.transcript import Transcript

SENTENCES = [example["text"] for example in sounds.EXAMPLES[:4]]
# Container, codec, rate, and whether its packets may have any time.
KINDS = [
    ("mp4", "aac", RATE, True), ("matroska", "aac", RATE, True), ("matroska", "flac", RATE, True),
    ("webm", "libopus", 48_000, True), ("ogg", "libopus", 48_000, True),
    ("mpegts", "aac", RATE, True), ("flv", "aac", 44_100, True), ("wav", "pcm_s16le", RATE, False),
    ("flac", "flac", RATE, False), ("mp3", "libmp3lame", RATE, False), ("adts", "aac", RATE, False),
    ("caf", "pcm_s16le", RATE, False), ("asf", "wmav2", 44_100, False),
]  # fmt: skip
TOLERANCE_SECONDS = 0.3


@dataclass
class Case:
    """A file, and what is said in it: each sentence with its place, by the time stamps."""

    path: Path
    told: str
    places: list[tuple[str, float, float]] = field(default_factory=list)


def sentence(number: int) -> Sound:
    path = sounds.EXAMPLES_DIRECTORY / sounds.EXAMPLES[number]["file"]
    return audio.decode(path, max_seconds=60)


def case(chance: random.Random, path: Path) -> Case:
    container, codec, rate, is_stamped = chance.choice(KINDS)
    noise = np.random.default_rng(chance.randrange(1 << 30))
    parts, places, at = [], [], 0.0
    for _ in range(chance.randint(2, 4)):
        pause = chance.uniform(0.9, 2.0)
        number = chance.randrange(len(SENTENCES))
        voice = sentence(number)
        places.append((SENTENCES[number], at + pause, at + pause + len(voice) / RATE))
        parts += [np.zeros(round(pause * RATE), np.float32), voice]
        at += pause + len(voice) / RATE
    sound = np.concatenate([*parts, np.zeros(RATE, np.float32)])
    sound += noise.normal(0, 3e-4, len(sound)).astype(np.float32)
    doings = []
    late = gap_at = gap = 0.0
    picture = 0.0
    if is_stamped and chance.random() < 0.4:
        late = chance.uniform(0.5, 8)
        picture = chance.choice([0.0, late + 12]) if container in ("mp4", "matroska") else 0.0
        if picture or container in ("mp4", "matroska", "webm"):
            places = [(text, start + late, end + late) for text, start, end in places]
        doings.append(f"late {late:.1f}")
    if is_stamped and chance.random() < 0.5:
        # What is missing at the end, nobody can know.
        gap_at = chance.uniform(1, at - 1)
        gap = chance.uniform(0.3, 1) * min(6.0, at - gap_at)
        doings.append(f"gap {gap_at:.1f}+{gap:.1f}")

    def shift(time: float) -> float | None:
        return None if gap and gap_at <= time < gap_at + gap else time + late

    channels = "mono"
    if chance.random() < 0.4 and container not in ("flv", "caf"):
        channels = chance.choice(["same", "left", "inverse"])
        other = {"same": sound, "left": np.zeros_like(sound), "inverse": -sound}[channels]
        sound = np.stack([sound, other], axis=1)
    tracks = [Track(sound, codec, rate, shift, is_default=True)]
    if container in ("matroska", "mp4") and chance.random() < 0.3:
        quiet = noise.normal(0, 3e-4, len(sound)).astype(np.float32)
        tracks.insert(0, Track(quiet, codec, rate, is_default=False))
        doings.append("second track")
    options = {"movflags": "+faststart"} if container == "mp4" else None
    containers.written(path, container, tracks, picture_seconds=picture, options=options)
    if chance.random() < 0.5:
        if chance.random() < 0.5:
            first = chance.uniform(0.3, 0.7)
            containers.zeroed(path, first, first + chance.uniform(0.02, 0.3))
            doings.append(f"zeroed from {first:.2f}")
        else:
            share = chance.uniform(0.4, 0.95)
            containers.cut(path, share)
            doings.append(f"cut at {share:.2f}")
    return Case(path, f"{container}/{codec} {channels} {' '.join(doings)}", places)


def missed(one: Case, transcript: Transcript, leads: dict[str, float]) -> list[str]:
    """Sentences that were neither found in their place nor covered by a warning.

    Args:
        leads: when the first word of each sentence is, from its beginning.
    """
    found = [(s.text, s.tokens[0].start_seconds if s.tokens else s.start_seconds)
             for s in transcript.segments]  # fmt: skip
    lost = []
    for text, start, end in one.places:
        is_found = any(
            text in heard and abs(begin - start - leads[text]) <= TOLERANCE_SECONDS
            for heard, begin in found
        )
        is_covered = any(
            (w.start_seconds or 0) - 0.5 <= end
            and start <= (1e9 if w.end_seconds is None or w.code == "damaged_somewhere"
                          else w.end_seconds + 0.5)
            for w in transcript.warnings
            if w.code not in ("channel_taken", "other_tracks", "trial_model")
        )  # fmt: skip
        if not is_found and not is_covered:
            lost.append(f"{text} at {start:.2f}")
    return lost


def service() -> TranscriptionService:
    """Recognition without a server around it; to be made on the loop that it lives on."""

    def load() -> SeacoParaformer:
        engine = SeacoParaformer(registry.resolve(AsrSettings(), registry.BUILTIN), 1)
        engine.place("cpu")
        return engine

    return TranscriptionService(Settings(), load, WorkerMetrics())


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("count", [25, pytest.param(100, marks=pytest.mark.full)])
def test_every_sentence_is_in_its_place_or_a_warning_covers_it(tmp_path: Path, count: int) -> None:
    chance = random.Random(int(os.environ.get("CONTAINERS_SEED", "18")))

    async def run() -> list[str]:
        recognition = service()
        await recognition.start()
        await recognition.open()
        trouble = []
        refused = 0
        try:
            leads = {}
            for example in sounds.EXAMPLES[: len(SENTENCES)]:
                alone = await recognition.transcribe(
                    sounds.EXAMPLES_DIRECTORY / example["file"], route="/transcribe"
                )
                leads[alone.text] = alone.segments[0].tokens[0].start_seconds
            for number in range(count):
                one = case(chance, tmp_path / "recording")
                try:
                    transcript = await recognition.transcribe(one.path, route="/transcribe")
                except SeacodError as error:
                    # A cut MP4 and the like; said is said.
                    assert error.http_status in (400, 413, 415)
                    refused += 1
                    continue
                if lost := missed(one, transcript, leads):
                    told = [(s.text, round(s.start_seconds, 2)) for s in transcript.segments]
                    codes = [(w.code, w.start_seconds, w.end_seconds) for w in transcript.warnings]
                    trouble.append(f"{number} {one.told}: {lost}; heard {told}; {codes}")
        finally:
            await recognition.close()
        assert refused < count // 4
        return trouble

    trouble = asyncio.run(run())
    assert not trouble, "\n".join(trouble)
