"""`seacod bench long-audio`: the worker's memory for a recording of hours beside one of minutes."""

from __future__ import annotations

import argparse
import dataclasses
import json
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import psutil

from seacod.errors import EX_OK, SeacodError
from seacod.proving import sounds
from seacod.proving.progress import busy_with
from seacod.proving.service import PrivateService, private_service
from seacod.system.text.terminal import in_language as say
from seacod.system.text.terminal import print_words

HELP = "memory for a recording of hours"
_SHORT_SECONDS = 300.0
_LOOK_SECONDS = 0.05
_MINUTE = 60.0


@dataclass(frozen=True, slots=True)
class LongFigures:
    """Peaks of resident memory, of the worker alone, in bytes."""

    short_seconds: float
    short_peak_bytes: int
    long_seconds: float
    long_peak_bytes: int
    long_took_seconds: float
    long_characters: int

    @property
    def ratio(self) -> float:
        """Peak of the long one over that of the short one."""
        return self.long_peak_bytes / self.short_peak_bytes


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--hours", type=float, default=3.0, help="how long it is (3)")
    parser.add_argument("--model", default="builtin", help="asr.model (builtin)")


def run(options: argparse.Namespace) -> int:
    """Measure, and print."""
    figures = measure(options.model, max(0.1, options.hours))
    if options.json:
        print(json.dumps({**dataclasses.asdict(figures), "ratio": figures.ratio}))
        return EX_OK
    f, speed = figures, figures.long_seconds / figures.long_took_seconds
    print_words("resident memory of the worker, at its peak", "识别进程的峰值常驻内存")
    minutes = say("min", "分钟")
    for seconds, peak in (
        (f.short_seconds, f.short_peak_bytes),
        (f.long_seconds, f.long_peak_bytes),
    ):
        print(f"  {seconds / 60:5.0f} {minutes}   {peak / 1e6:6.0f} MB")
    print_words(
        f"  ratio       {f.ratio:.3f}\n"
        f"  the long one took {f.long_took_seconds:.0f} s ({speed:.0f} audio s / s), "
        f"{f.long_characters} characters",
        f"  比值        {f.ratio:.3f}\n"
        f"  长录音用时 {f.long_took_seconds:.0f} 秒（每秒处理音频 {speed:.0f} 秒），"
        f"{f.long_characters} 字",
    )
    return EX_OK


def measure(model: str, hours: float) -> LongFigures:
    """Both recordings through a service of the bench's own, the short one first.

    Raises:
        SeacodError: one of them was not transcribed.
    """
    with private_service(model) as service:
        short = service.directory / "short.flac"
        long = service.directory / "long.flac"
        with busy_with("writing the recordings", "正在生成录音"):
            write(short, _SHORT_SECONDS)
            write(long, hours * 3600)
        short_peak, _, _ = _peak(service, short)
        with busy_with(f"{hours:g} h of sound are transcribed", f"正在识别 {hours:g} 小时录音"):
            long_peak, took, text = _peak(service, long)
        return LongFigures(
            _SHORT_SECONDS, short_peak, hours * 3600, long_peak, took, len(text.replace(" ", ""))
        )


def write(path: Path, seconds: float) -> None:
    """Speech of this length as FLAC."""
    import av
    import numpy as np

    from seacod.asr.audio import SAMPLE_RATE

    minute = (sounds.speech(_MINUTE) * 32767).astype(np.int16)
    with av.open(str(path), "w", format="flac") as out:
        stream = out.add_stream("flac", rate=SAMPLE_RATE, layout="mono")
        left = int(seconds * SAMPLE_RATE)
        while left > 0:
            block = minute[:left]
            frame = av.AudioFrame.from_ndarray(block.reshape(1, -1), format="s16", layout="mono")
            frame.sample_rate = SAMPLE_RATE
            out.mux(stream.encode(frame))
            left -= len(block)
        out.mux(stream.encode(None))


def _peak(service: PrivateService, recording: Path) -> tuple[int, float, str]:
    """Resident memory at its highest while a recording is transcribed, the time, the text."""
    worker = psutil.Process(service.status()["worker"]["pid"])
    peak = [worker.memory_info().rss]
    is_over = threading.Event()

    def watch() -> None:
        while not is_over.wait(_LOOK_SECONDS):
            peak[0] = max(peak[0], worker.memory_info().rss)

    watching = threading.Thread(target=watch, name="bench-memory")
    watching.start()
    began = time.monotonic()
    try:
        text = service.transcribe(recording)
    finally:
        is_over.set()
        watching.join()
    if text is None:
        raise SeacodError(
            f"{recording.name} was not transcribed; the service refused it",
            f"{recording.name} 未被识别：服务拒绝了请求",
        )
    return peak[0], time.monotonic() - began, text
