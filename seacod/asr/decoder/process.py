"""The decoding process: takes open recordings, sends back pieces of speech. One at a time.

The program that `births.py` executes is the nursery (`nursery.py`), from which each decoder is
forked. It gives up what it does not need (`sandbox.py`) and dies with its worker; a recording that
makes a decoder crash costs this process, and one that does it twice is refused.
"""

from __future__ import annotations

import base64
import os
import signal
import socket
import sys
import time
import traceback
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any, BinaryIO, Protocol

import numpy as np

from seacod.asr import audio
from seacod.asr.audio import SAMPLE_RATE, Samples
from seacod.asr.decoder import sandbox, wire
from seacod.asr.decoder.cutting import Cutter
from seacod.asr.decoder.nursery import DecoderNursery
from seacod.asr.decoder.voice import SileroVoice
from seacod.asr.decoder.wire import DecodeTask
from seacod.asr.piece import Piece
from seacod.asr.sound.channels import LaneStretch
from seacod.asr.sound.peaks import Peaks
from seacod.errors import SeacodError
from seacod.models.examples import EXAMPLES, examples

# What the cutter is given at a time.
_BLOCK = 8 * SAMPLE_RATE
# Computing time, not waiting: a header may take so much, and each block of sound so much. Headers
# take milliseconds; one of millions of empty parts takes a minute.
_HEADER_SECONDS = 5.0
_BLOCK_SECONDS = 10.0
_MOST_WARNINGS = 100


def main() -> None:
    """Be a nursery of decoders until nobody needs one any more."""
    # Ctrl-C in a terminal reaches the whole group; ending is the worker's to decide.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    voice = SileroVoice()
    _warm_up(voice)
    DecoderNursery(lambda tasks, answers: _decode(tasks, answers, voice)).serve(
        socket.socket(fileno=int(sys.argv[1]))
    )


class _Answers(Protocol):
    """Where frames go."""

    def sendall(self, data: bytes, /) -> object: ...


class _Nobody:
    """Nobody hears them."""

    def sendall(self, data: bytes, /) -> None:
        pass


def _warm_up(voice: SileroVoice) -> None:
    """Go the whole way once with a shipped recording: what a library does the first time only, no
    decoder has to do."""
    with open(EXAMPLES / examples()[0]["file"], "rb") as file:
        _serve(DecodeTask("pieces", 60.0, 1 << 20, 20.0), file, voice, _Nobody())


def _decode(tasks: socket.socket, answers: socket.socket, voice: SileroVoice) -> None:
    """Be a decoder until the worker closes the other end."""
    cage = sandbox.enter(tasks.fileno(), answers.fileno())
    answers.sendall(wire.frame("ready", asdict(cage)))
    while True:
        message, descriptors, _, _ = socket.recv_fds(tasks, wire.MAX_TASK_BYTES, 1)
        if not message:
            return
        with os.fdopen(descriptors[0], "rb") as file:
            _serve(DecodeTask.decode(message), file, voice, answers)


def _serve(task: DecodeTask, file: BinaryIO, voice: SileroVoice, answers: _Answers) -> None:
    try:
        _work(task, file, voice, answers)
    except SeacodError as error:
        told = {"code": error.code, "message": error.message, "chinese": error.chinese}
        answers.sendall(wire.frame("error", told))
    except (BrokenPipeError, ConnectionResetError):
        raise
    except MemoryError:
        answers.sendall(wire.frame("error", {"code": "too_big_inside"}))
    except Exception:
        # Nothing of this kind is known; the log gets it, the client hears that it is no audio.
        told = {"code": "unknown", "message": traceback.format_exc()}
        answers.sendall(wire.frame("error", told))
    finally:
        _allow(0)


def _work(task: DecodeTask, file: BinaryIO, voice: SileroVoice, answers: _Answers) -> None:
    _allow(_HEADER_SECONDS)
    track = task.track if isinstance(task.track, int) else None
    info = audio.inspect(
        file, max_seconds=task.max_seconds, max_bytes=task.max_bytes, track=track
    )  # fmt: skip
    answers.sendall(wire.frame("info", asdict(info)))
    _allow(_BLOCK_SECONDS)
    if task.want == "inspect":
        answers.sendall(wire.frame("done", {}))
        return
    recording = _Recording(task, file, voice, answers)
    if task.track != "all":
        recording.hear(track)
    else:
        for number in range(1, info.tracks + 1):
            recording.hear(number)
        audio.check_enough(recording.samples)
    answers.sendall(wire.frame("done", recording.told()))


class _Recording:
    """One recording on its way through voice activity and cutter, a lane for each voice."""

    def __init__(
        self, task: DecodeTask, file: BinaryIO, voice: SileroVoice, answers: _Answers
    ) -> None:
        self._task = task
        self._file = file
        self._voice = voice
        self._answers = answers
        self._began = time.monotonic()
        self._waited = self._listened = 0.0
        self.samples = self._longest = self._speech = 0
        self._missing_seconds = 0.0
        self._warnings: list[dict[str, Any]] = []
        self._labels: dict[int, str] = {}
        self._peaks = Peaks()

    def hear(self, track: int | None) -> None:
        """Decode a track and send what is said in it."""
        is_one_of_all = self._task.track == "all"
        decoding = audio.Decoding(
            self._file,
            # All tracks together are no longer than one may be.
            max_seconds=self._task.max_seconds - self.samples / SAMPLE_RATE,
            track=track,
            channels="mix" if is_one_of_all else self._task.channels,
        )
        lanes: dict[int, _Lane] = {}
        for stretch in _grouped(decoding.stretches()):
            _allow(_BLOCK_SECONDS)
            lane = lanes.get(stretch.lane)
            if lane is None:
                number = (track or 0) if is_one_of_all else stretch.lane
                # A recording that is split only later goes on without the mix.
                self._end(lanes)
                lane = lanes[stretch.lane] = _Lane(
                    number,
                    stretch.start,
                    Cutter(self._task.max_piece_seconds, is_clip=self._task.is_clip),
                    self._voice.another(),
                )
            self._feed(lane, stretch.samples)
            self._answers.sendall(wire.frame("at", position=decoding.samples))
        if not is_one_of_all:
            audio.check_enough(decoding.samples)
        for lane in lanes.values():
            self._finish(lane)
        self.samples += decoding.samples
        self._longest = max(self._longest, decoding.samples)
        self._missing_seconds += decoding.findings.missing_seconds
        for warning in decoding.findings.warnings():
            self._warnings.append(asdict(warning))
        if is_one_of_all:
            self._labels[track or 0] = decoding.label
        else:
            self._labels = dict(enumerate(decoding.lanes))

    def told(self) -> dict[str, Any]:
        """What `done` says."""
        took = time.monotonic() - self._began - self._waited - self._listened
        return {
            "samples": self._longest, "speech": self._speech, "decode": took,
            "listen": self._listened, "missing_seconds": self._missing_seconds,
            "warnings": self._warnings[:_MOST_WARNINGS], "labels": self._labels,
            "peaks": base64.b64encode(self._peaks.told(self._longest)).decode(),
        }  # fmt: skip

    def _feed(self, lane: _Lane, samples: Samples) -> None:
        self._peaks.add(lane.start + lane.samples, samples)
        before = time.monotonic()
        if self._task.want == "samples":
            self._send(lane, "block", lane.samples, samples)
            lane.samples += len(samples)
            self._waited += time.monotonic() - before
            return
        pieces = lane.cutter.feed(samples, lane.voice.feed(samples))
        lane.samples += len(samples)
        self._listened += time.monotonic() - before
        self._send_all(lane, pieces)

    def _finish(self, lane: _Lane) -> None:
        pieces = lane.cutter.feed(np.zeros(0, np.float32), lane.voice.end())
        self._send_all(lane, pieces + lane.cutter.finish())
        self._speech += lane.cutter.speech

    def _send_all(self, lane: _Lane, pieces: list[Piece]) -> None:
        before = time.monotonic()
        for piece in pieces:
            self._send(lane, "piece", piece.start, piece.samples, piece.speech_probability)
        self._waited += time.monotonic() - before

    def _send(
        self,
        lane: _Lane,
        kind: wire.Kind,
        position: int,
        samples: Samples,
        speech_probability: float | None = None,
    ) -> None:
        body = np.ascontiguousarray(samples, dtype="<f4").tobytes()
        at = lane.start + position
        head = wire.Head(kind, len(body), at, lane.number, speech_probability)
        self._answers.sendall(head.encode() + body)

    def _end(self, lanes: dict[int, _Lane]) -> None:
        if 0 in lanes:
            self._finish(lanes.pop(0))


def _allow(seconds: float) -> None:
    """From now on so much computing time; then the kernel ends the process (SIGPROF), wherever in
    a library it is."""
    signal.setitimer(signal.ITIMER_PROF, seconds)


@dataclass(slots=True)
class _Lane:
    """A voice of its own: its number, where it begins, and how much of it there was, in samples."""

    number: int
    start: int
    cutter: Cutter
    voice: SileroVoice
    samples: int = 0


def _grouped(stretches: Iterator[LaneStretch]) -> Iterator[LaneStretch]:
    """Put blocks of milliseconds, as decoders give them, together into blocks of seconds."""
    gathered: dict[int, list[LaneStretch]] = {}
    for stretch in stretches:
        if stretch.lane and 0 in gathered:
            yield from _joined(gathered.pop(0))
        of_lane = gathered.setdefault(stretch.lane, [])
        of_lane.append(stretch)
        if stretch.start + len(stretch.samples) - of_lane[0].start >= _BLOCK:
            yield from _joined(gathered.pop(stretch.lane))
    for of_lane in gathered.values():
        yield from _joined(of_lane)


def _joined(stretches: list[LaneStretch]) -> Iterator[LaneStretch]:
    first = stretches[0]
    samples = np.concatenate([one.samples for one in stretches])
    for at in range(0, len(samples), _BLOCK):
        yield LaneStretch(first.lane, first.start + at, samples[at : at + _BLOCK])


if __name__ == "__main__":
    main()
