"""Decoded frames laid on the timeline of their file: silence where it holds none, overlaps cut,
all at 16 kHz.

Zero is where a player begins to count. Position is exact at every frame to `_TOLERANCE`: what
rounding and jitter of time stamps bring about is not touched, what adds up is.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import av
import numpy as np
import numpy.typing as npt

from seacod.asr.sound.findings import Findings
from seacod.asr.sound.packets import Lost

SAMPLE_RATE = 16_000
# float32 at 16 kHz, shape (samples, channels).
Planes = npt.NDArray[np.float32]
# Sound, and whether it is silence that stands for what the file does not hold.
Laid = tuple[Planes, bool]

_TOLERANCE = 0.1
# A shorter gap is told nobody: it is no syllable. Codecs for speech leave out silence (Opus sends a
# packet every 400 ms then).
_TOLD_SECONDS, _TOLD_SILENT_SECONDS = 0.2, 0.5
_LEAVING_SILENCE = ("opus", "amr", "speex", "evrc", "qcelp", "g729", "g723")
# Time stamps that go back further than this are those of another recording, joined to the first.
_OVERLAP_SECONDS = 5.0
_OVERLAP_STREAMED_SECONDS = 1.0
# Where time stamps may begin anywhere, one that leaps further is no pause.
_GAP_STREAMED_SECONDS = 600.0
_SILENCE_BLOCK = 8 * SAMPLE_RATE
# Containers whose time stamps count from the beginning of the recording, so that one that begins
# later has a reason; others begin anywhere.
_OWN_ZERO = ("mov", "matroska", "avi")
_LATEST_SECONDS = 600.0
# Joined recordings, and broadcasts, start anew in the middle.
_STREAMED = ("ogg", "mpegts", "mpeg", "flv", "asf")


def zero_of(container: Any, findings: Findings, *, has_own_zero: bool = False) -> float:
    """Where time begins, in the time stamps of the container.

    Args:
        container: open.
        findings: told when its own beginning is not believed.
        has_own_zero: its time stamps count from the beginning of the recording, though those of
            such containers may begin anywhere.
    """
    start = float((container.start_time or 0) / av.time_base)
    has_own_zero |= str(container.format.name).startswith(_OWN_ZERO)
    if not has_own_zero or start < 0:
        return start
    if unbelieved_start(container) == 0.0:
        return 0.0
    findings.note(
        "late_start",
        f"the time stamps of the file begin at {start:.1f} s; times here count from its first "
        "sound or picture",
        f"文件的时间戳从 {start:.1f} 秒开始；此处的时间从最先出现的声音或画面算起",
    )
    return start


def unbelieved_start(container: Any) -> float:
    """Where a container begins that counts from elsewhere than its own beginning, in seconds."""
    start = float((container.start_time or 0) / av.time_base)
    return start if start > _LATEST_SECONDS else 0.0


class Timeline:
    """Takes frames, gives sound without gaps.

    Args:
        zero: see `zero_of`.
        unit: of the time stamps of its track, in seconds.
        container_name: of ffmpeg.
        codec_name: of ffmpeg.
        limit_seconds: a leap beyond it is not believed.
        has_stamps: whether time stamps are the file's own.
        is_alone: there is no picture, so sound that begins late has no reason.
        findings: told of gaps and overlaps.
    """

    def __init__(
        self, zero: float, unit: float, container_name: str, codec_name: str,
        limit_seconds: float, *,
        has_stamps: bool, is_alone: bool, findings: Findings,
    ) -> None:  # fmt: skip
        self._zero = zero
        self._unit = unit
        self._is_streamed = container_name.startswith(_STREAMED)
        leaves_silence = any(name in codec_name for name in _LEAVING_SILENCE)
        self._told_seconds = _TOLD_SILENT_SECONDS if leaves_silence else _TOLD_SECONDS
        self._limit = limit_seconds
        self._has_stamps = has_stamps
        self._is_alone = is_alone
        self._findings = findings
        self._resampler: av.AudioResampler | None = None
        self._form: tuple[int, str, int] | None = None
        self.channels = 0
        # What was given out, in samples; what went into the resampler since `_base`, in seconds.
        self._given = 0
        self._base = 0.0
        self._taken = 0.0
        # Samples to come that lie in an overlap.
        self._drop = 0
        # Lost since the last frame.
        self._lost: list[Lost] = []

    @property
    def seconds(self) -> float:
        """How far the timeline is."""
        return self._base + self._taken

    def frame(self, frame: Any) -> Iterator[Laid]:
        """Lay a frame."""
        if not self.channels:
            self.channels = frame.layout.nb_channels
        at = self._time(frame)
        if not self._has_stamps:
            yield from self._skip_lost()
        elif at is not None:
            ahead = at - self.seconds
            if ahead < -_TOLERANCE:
                self._cut(-ahead)
            elif ahead > (0.0 if self._lost else _TOLERANCE):
                yield from self._gap(at)
            else:
                self._tell_lost()
        self._lost.clear()
        yield from self._take(frame)

    def lost(self, lost: Lost) -> None:
        """Something could not be decoded here."""
        self._lost.append(lost)

    def finish(self) -> Iterator[Laid]:
        """Nothing more comes."""
        if not self._has_stamps:
            # Less than a frame is what a cut left of the last one.
            if sum(lost.seconds for lost in self._lost) > _TOLERANCE:
                yield from self._skip_lost()
        elif self._lost:
            known = [
                lost.at - self._zero + lost.seconds for lost in self._lost if lost.at is not None
            ]
            end = min(max(known, default=0.0), self._limit)
            if end > self.seconds:
                yield from self._gap(end)
        yield from self._flush()

    # -- where ----------------------------------------------------------------------------------

    def _time(self, frame: Any) -> float | None:
        """Where a frame belongs, in seconds from zero; None where it follows the one before."""
        if not self._has_stamps or frame.pts is None:
            return None
        at = float(frame.pts * self._unit - self._zero)
        ahead = at - self.seconds
        back = _OVERLAP_STREAMED_SECONDS if self._is_streamed else _OVERLAP_SECONDS
        leap = _GAP_STREAMED_SECONDS if self._is_streamed else self._limit
        is_first = self.seconds == 0.0
        if (ahead < -back and not is_first) or ahead > leap or at > self._limit:
            self._findings.stretch("joined", self.seconds, self.seconds, 0.0)
            self._zero += ahead
            return self.seconds
        return at

    def _gap(self, until: float) -> Iterator[Laid]:
        """Silence up to a time."""
        start = self.seconds
        if self._lost:
            self._findings.stretch("damaged", start, until)
        elif (start or self._is_alone) and until - start >= self._told_seconds:
            self._findings.stretch("missing", start, until)
        yield from self._silence(until)

    def _skip_lost(self) -> Iterator[Laid]:
        """Silence for what was lost of a stream without time stamps."""
        seconds = sum(lost.seconds for lost in self._lost)
        self._lost.clear()
        if seconds <= 0:
            return
        start = self.seconds
        until = min(start + seconds, self._limit)
        self._findings.stretch("damaged_somewhere", start, until)
        yield from self._silence(until)

    def _silence(self, until: float) -> Iterator[Laid]:
        yield from self._flush()
        self._drop = 0
        wanted = round(until * SAMPLE_RATE)
        while self._given < wanted:
            count = min(_SILENCE_BLOCK, wanted - self._given)
            self._given += count
            yield np.zeros((count, max(1, self.channels)), dtype=np.float32), True
        self._base, self._taken = until, 0.0

    def _tell_lost(self) -> None:
        """What was lost without leaving a gap: a packet of which a part could be decoded."""
        for lost in self._lost:
            if lost.at is not None:
                start = max(0.0, lost.at - self._zero)
                self._findings.stretch("damaged", start, start + lost.seconds)

    def _cut(self, seconds: float) -> None:
        """Leave out what comes now and lies before what is there already."""
        start = self.seconds - seconds
        self._findings.stretch("overlapping", start, self.seconds, seconds)
        self._drop += round(seconds * SAMPLE_RATE)
        self._taken -= seconds

    # -- what -----------------------------------------------------------------------------------

    def _take(self, frame: Any) -> Iterator[Laid]:
        form = (frame.sample_rate, frame.format.name, frame.layout.nb_channels)
        if form != self._form:
            yield from self._flush()
            self._form = form
        if self._resampler is None:
            self._base, self._taken = self.seconds, 0.0
            # Packed: PyAV's planar frames hold eight channels at most, and end the process at nine.
            self._resampler = av.AudioResampler("flt", frame.layout, SAMPLE_RATE)
        self._taken += frame.samples / frame.sample_rate
        # Only the order of samples counts for the resampler.
        frame.pts = None
        yield from self._out(self._resampler.resample(frame))

    def _flush(self) -> Iterator[Laid]:
        if self._resampler is not None:
            resampler, self._resampler = self._resampler, None
            yield from self._out(resampler.resample(None))

    def _out(self, frames: list[Any]) -> Iterator[Laid]:
        for frame in frames:
            channels = frame.layout.nb_channels
            values = np.frombuffer(frame.planes[0], np.float32, frame.samples * channels)
            block = values.reshape(-1, channels)
            if channels != self.channels:
                # A stream that changes its mind: everybody hears the mean from then on.
                block = np.repeat(block.mean(axis=1, keepdims=True), self.channels, axis=1)
            if self._drop:
                dropped = min(self._drop, len(block))
                self._drop -= dropped
                block = block[dropped:]
            self._given += len(block)
            yield block, False
