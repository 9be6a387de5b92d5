"""The decoding process: takes open recordings, sends back pieces of speech. One at a time.

Started by `pool.py`. It gives up what it does not need (`sandbox.py`) and dies with its worker; a
recording that makes a decoder crash costs this process and the one request.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import time
import traceback
from collections.abc import Iterator
from dataclasses import asdict
from typing import BinaryIO

import numpy as np

from seacod.asr import audio
from seacod.asr.audio import SAMPLE_RATE, Samples
from seacod.asr.decoder import sandbox, wire
from seacod.asr.decoder.cutting import Cutter
from seacod.asr.decoder.voice import Voice
from seacod.asr.decoder.wire import DecodeTask
from seacod.errors import SeacodError
from seacod.system.parent_death import die_with

# What the cutter is given at a time.
_BLOCK = 8 * SAMPLE_RATE
# Computing time, not waiting: a header may take so much, and each block of sound so much. Headers
# take milliseconds; one of millions of empty parts takes a minute.
_HEADER_SECONDS = 5.0
_BLOCK_SECONDS = 10.0


def main() -> None:
    """Serve until the worker closes the other end."""
    tasks = socket.socket(fileno=int(sys.argv[1]))
    answers = socket.socket(fileno=int(sys.argv[2]))
    if not die_with(int(sys.argv[3])):
        return
    # Ctrl-C in a terminal reaches the whole group; ending is the worker's to decide.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    voice = Voice()
    cage = sandbox.enter(tasks.fileno(), answers.fileno())
    answers.sendall(wire.frame("ready", asdict(cage)))
    while True:
        message, descriptors, _, _ = socket.recv_fds(tasks, wire.MAX_TASK_BYTES, 1)
        if not message:
            return
        with os.fdopen(descriptors[0], "rb") as file:
            _serve(DecodeTask.decode(message), file, voice, answers)


def _serve(task: DecodeTask, file: BinaryIO, voice: Voice, answers: socket.socket) -> None:
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


def _work(task: DecodeTask, file: BinaryIO, voice: Voice, answers: socket.socket) -> None:
    _allow(_HEADER_SECONDS)
    info = audio.inspect(file, max_seconds=task.max_seconds, max_bytes=task.max_bytes)
    answers.sendall(wire.frame("info", asdict(info)))
    _allow(_BLOCK_SECONDS)
    if task.want == "inspect":
        answers.sendall(wire.frame("done", {}))
        return
    file.seek(0)
    began, waited, listened = time.monotonic(), 0.0, 0.0
    cutter = Cutter(task.max_piece_seconds, is_clip=task.is_clip)
    voice.begin()
    total = 0
    for block in _grouped(file, task.max_seconds):
        _allow(_BLOCK_SECONDS)
        total += len(block)
        before = time.monotonic()
        if task.want == "samples":
            _send(answers, "block", total - len(block), block)
            waited += time.monotonic() - before
            continue
        pieces = cutter.feed(block, voice.feed(block))
        listened += time.monotonic() - before
        before = time.monotonic()
        for piece in pieces:
            _send(answers, "piece", piece.start, piece.samples)
        answers.sendall(wire.frame("at", position=total))
        waited += time.monotonic() - before
    audio.check_enough(total)
    for piece in cutter.feed(np.zeros(0, np.float32), voice.end()) + cutter.finish():
        _send(answers, "piece", piece.start, piece.samples)
    took = time.monotonic() - began - waited - listened
    done = {"samples": total, "speech": cutter.speech, "decode": took, "listen": listened}
    answers.sendall(wire.frame("done", done))


def _allow(seconds: float) -> None:
    """From now on so much computing time; then the kernel ends the process (SIGPROF), wherever in
    a library it is."""
    signal.setitimer(signal.ITIMER_PROF, seconds)


def _grouped(file: BinaryIO, max_seconds: float) -> Iterator[Samples]:
    """Put blocks of milliseconds, as decoders give them, together into blocks of seconds."""
    gathered: list[Samples] = []
    length = 0
    for block in audio.decoded(file, max_seconds=max_seconds):
        gathered.append(block)
        length += len(block)
        if length >= _BLOCK:
            yield np.concatenate(gathered)
            gathered, length = [], 0
    if gathered:
        yield np.concatenate(gathered)


def _send(answers: socket.socket, kind: wire.Kind, position: int, samples: Samples) -> None:
    body = np.ascontiguousarray(samples, dtype="<f4").tobytes()
    answers.sendall(wire.head(kind, len(body), position) + body)


if __name__ == "__main__":
    main()
