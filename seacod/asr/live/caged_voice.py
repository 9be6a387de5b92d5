"""The voice activity of microphones as the worker sees it: a process in the cage, asked on the
thread `seacod-live`, started anew when it breaks.

`decoder/voice_process.py` runs in it. What is remembered of a stream stays here
(`decoder/voice.py`), so a process that was killed costs a moment and nothing of what was said.
"""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import structlog

from seacod.asr.decoder.environment import environment
from seacod.asr.decoder.voice import STATE
from seacod.asr.decoder.voice_process import HEAD, STATE_BYTES, received
from seacod.errors import InferenceFailed
from seacod.system.processes.interpreter import python

log = structlog.get_logger(__name__)

Array = npt.NDArray[np.float32]
# The network takes a millisecond for a second of sound; a process that says nothing for so long
# is stuck.
_SILENT_SECONDS = 20.0
_TRIES = 2


class CagedNetwork:
    """Takes the place of the network for `Voice`. Blocking; used on one thread, which starts the
    process and with which it ends (the kernel counts the death of the thread that forked as the
    death of the parent)."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._connection: socket.socket | None = None
        self._is_closed = False

    def begin(self) -> None:
        """Have the process there before the first sound; if it does not start, `run` says so."""
        with contextlib.suppress(OSError):
            self._connected()

    def run(self, _: Sequence[str], inputs: Mapping[str, Array]) -> tuple[Array, Array, Array]:
        """Probabilities of the frames, and the state after them.

        Args:
            inputs: as onnxruntime's session takes them.

        Raises:
            InferenceFailed: no process gives an answer.
        """
        for _try in range(_TRIES):
            try:
                return self._ask(self._connected(), inputs)
            except OSError as error:
                if self._is_closed:
                    break
                log.warning("live_voice_broke", cause=str(error) or type(error).__name__)
                self._end()
        raise InferenceFailed.unforeseen()

    def close(self) -> None:
        """End the process, and start no other; from any thread."""
        self._is_closed = True
        self._end()

    def _end(self) -> None:
        connection, process = self._connection, self._process
        self._connection = self._process = None
        if connection is not None:
            connection.close()
        if process is not None:
            process.kill()
            process.wait()

    def _connected(self) -> socket.socket:
        """The connection to a process that is there.

        Raises:
            OSError: it does not start.
        """
        if self._connection is not None:
            return self._connection
        if self._is_closed:
            raise ConnectionAbortedError("the worker ends")
        ours, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                python(
                    "-m", "seacod.asr.decoder.voice_process", str(theirs.fileno()), str(os.getpid())
                ),
                stdin=subprocess.DEVNULL,
                pass_fds=(theirs.fileno(),),
                env=environment(),
            )  # fmt: skip
        ours.settimeout(_SILENT_SECONDS)
        self._connection = ours
        try:
            received(ours, HEAD.size)
        except OSError:
            self._end()
            raise
        return ours

    @staticmethod
    def _ask(connection: socket.socket, inputs: Mapping[str, Array]) -> tuple[Array, Array, Array]:
        frames = len(inputs["input"])
        parts = (inputs["h"], inputs["c"], inputs["input"])
        body = b"".join(np.ascontiguousarray(one, "<f4").tobytes() for one in parts)
        connection.sendall(HEAD.pack(frames) + body)
        answer = received(connection, 2 * STATE_BYTES + 4 * frames)
        found = np.frombuffer(answer, "<f4").astype(np.float32)
        count = STATE_BYTES // 4
        hidden, cell, probabilities = np.split(found, (count, 2 * count))
        return probabilities, hidden.reshape(STATE), cell.reshape(STATE)
