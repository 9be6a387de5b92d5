"""`seacod bench precision FILE...`: what each precision costs and changes, on one's own recordings.

Each has a service of the bench's own. Its texts are compared with those of float32: where they
differ, only somebody who knows what was said can tell which is right.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from seacod.client import NEVER, Client
from seacod.errors import EX_OK
from seacod.proving.likeness import bare, differing
from seacod.proving.processor import own_bytes
from seacod.proving.progress import busy_with
from seacod.proving.service import PrivateService, private_service
from seacod.proving.table import Table
from seacod.system.text.terminal import print_words

HELP = "speed, memory and changed characters of each precision, on given recordings"
_PATIENCE_SECONDS = 3600.0


@dataclass(frozen=True, slots=True)
class PrecisionFigures:
    """One precision, over all recordings.

    `differing` counts characters that are not as float32 has them, of `characters`; blanks and
    punctuation are no characters. `memory_bytes` is what the worker has for itself alone.
    """

    precision: str
    audio_per_second: float
    memory_bytes: int
    characters: int
    differing: int

    @property
    def differing_share(self) -> float:
        """Of all characters, 0 to 1."""
        return self.differing / max(1, self.characters)


_TABLE = Table[PrecisionFigures](
    (("precision", "精度"), lambda f: f.precision),
    (("audio s / s", "音频秒/秒"), lambda f: f"{f.audio_per_second:.1f}"),
    (("private MB", "独占内存（MB）"), lambda f: f"{f.memory_bytes / 1e6:.0f}"),
    (("characters", "字数"), lambda f: str(f.characters)),
    (("not as float32", "与 float32 不同"), lambda f: f"{f.differing} ({f.differing_share:.1%})"),
    first_columns=10,
)


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("files", metavar="FILE", type=Path, nargs="+", help="recordings")
    parser.add_argument("--device", default="auto", help="asr.device (auto)")
    parser.add_argument("--model", default="builtin", help="asr.model (builtin)")


def run(options: argparse.Namespace) -> int:
    """Measure, and print."""
    from seacod.accelerators.registry import resolve
    from seacod.asr.recognisers import precision

    device = resolve(options.device)
    if not options.json:
        model, count = options.model, len(options.files)
        print_words(
            f"model {model} on {device}, {count} recordings",
            f"模型 {model}，设备 {device}，{count} 个录音",
        )
        _TABLE.begin()
    found = []
    texts: list[str] = []
    for wanted in precision.usable(device):
        figures, heard = measure(options.model, options.device, wanted, options.files, texts)
        # float32 is the first.
        texts = texts or heard
        found.append(figures)
        if not options.json:
            _TABLE.add(figures)
    if options.json:
        print(json.dumps([dataclasses.asdict(one) for one in found]))
    return EX_OK


def measure(
    model: str, device: str, wanted: str, files: Sequence[Path], expected: Sequence[str]
) -> tuple[PrecisionFigures, list[str]]:
    """One precision.

    Args:
        model: asr.model.
        device: asr.device.
        wanted: asr.precision.
        files: recordings.
        expected: their texts with float32; empty when this is float32.

    Returns:
        The figures, and the texts.

    Raises:
        SeacodError: a recording was refused.
    """
    asr: dict[str, object] = {"device": device, "precision": wanted, "tune": "off"}
    with private_service(model, asr=asr) as service:
        # What a first time costs once is not what is measured.
        with busy_with(f"{wanted}: {len(files)} recordings", f"{wanted}：{len(files)} 个录音"):
            texts, _ = _heard(service, files)
            texts, audio_per_second = _heard(service, files)
        memory = own_bytes(service.status()["worker"]["pid"])
    pairs = list(zip(texts, expected or texts, strict=True))
    return (
        PrecisionFigures(
            precision=wanted,
            audio_per_second=audio_per_second,
            memory_bytes=memory,
            characters=sum(len(bare(full)) for _, full in pairs),
            differing=sum(differing(heard, full) for heard, full in pairs),
        ),
        texts,
    )


def _heard(service: PrivateService, files: Sequence[Path]) -> tuple[list[str], float]:
    """The texts, and how much audio went through in a second."""
    with Client(service.url, retry=NEVER, silence_seconds=_PATIENCE_SECONDS) as client:
        began = time.monotonic()
        transcripts = [client.transcribe(file) for file in files]
        took = time.monotonic() - began
    return (
        [transcript.text for transcript in transcripts],
        sum(transcript.duration_seconds for transcript in transcripts) / took,
    )
