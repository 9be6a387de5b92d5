"""Where somebody speaks: silero-vad over a stream, as many frames a call as there are.

The network is the one FunASR runs for `silero-vad`, frame by frame through Python; its package
brings the same network for whole sequences (silero_vad/data/silero_vad_16k_sequence.onnx), whose
recurrent state we carry from call to call. So what comes out does not depend on how the stream was
cut. A test compares both. onnxruntime runs strangers' sound, so it is imported in caged processes
only (`process.py`, `voice_process.py`).
"""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from seacod.asr.audio import Samples

# A frame, and what the network wants to see of the one before: 32 ms and 4 ms at 16 kHz.
FRAME = 512
CONTEXT = 64
# About 16 s a call: long enough that Python does not matter, short enough for the cache.
FRAMES_A_CALL = 512
STATE = (1, 1, 128)

Probabilities = npt.NDArray[np.float32]


class Network(Protocol):
    """What computes: onnxruntime's session, or a process that has one."""

    def run(self, names: Sequence[str], inputs: Mapping[str, npt.NDArray[np.float32]]) -> Any:
        """Probabilities, and the two parts of the state after them."""


def network() -> Network:
    """Load the network. Several streams may share it: what it remembers of one is with the
    `SileroVoice`."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    # One process of ours is one core; more of them are the parallelism.
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session: Network = onnxruntime.InferenceSession(
        str(_file()), sess_options=options, providers=["CPUExecutionProvider"]
    )
    return session


class SileroVoice:
    """Speech probability of each frame of a recording, given piece by piece.

    Args:
        session: of `network`; one of its own when there is none.
    """

    def __init__(self, session: Network | None = None) -> None:
        self._session = session or network()
        self.begin()

    def another(self) -> SileroVoice:
        """For another recording, or another voice in it, with the same network."""
        return SileroVoice(self._session)

    def begin(self) -> None:
        """Forget the recording before."""
        self._hidden = np.zeros(STATE, dtype=np.float32)
        self._cell = np.zeros(STATE, dtype=np.float32)
        self._context = np.zeros(CONTEXT, dtype=np.float32)
        self._rest: Samples = np.zeros(0, dtype=np.float32)

    def feed(self, samples: Samples) -> Probabilities:
        """Take the next samples (float32, 16 kHz); returns the probabilities of the frames they
        complete."""
        joined = np.concatenate((self._rest, samples)) if len(self._rest) else samples
        whole = len(joined) // FRAME * FRAME
        self._rest = joined[whole:].copy()
        return self._run(joined[:whole].reshape(-1, FRAME))

    def end(self) -> Probabilities:
        """The recording is over; returns the probability of the rest, filled up with silence."""
        if not len(self._rest):
            return np.zeros(0, dtype=np.float32)
        frame = np.zeros((1, FRAME), dtype=np.float32)
        frame[0, : len(self._rest)] = self._rest
        return self._run(frame)

    def _run(self, frames: npt.NDArray[np.float32]) -> Probabilities:
        found = []
        for at in range(0, len(frames), FRAMES_A_CALL):
            block = frames[at : at + FRAMES_A_CALL]
            contexts = np.vstack((self._context, block[:-1, -CONTEXT:]))
            self._context = block[-1, -CONTEXT:].copy()
            probabilities, self._hidden, self._cell = self._session.run(
                ["speech_probs", "hn", "cn"],
                {"input": np.hstack((contexts, block)), "h": self._hidden, "c": self._cell},
            )
            found.append(probabilities.reshape(-1))
        return np.concatenate(found) if found else np.zeros(0, dtype=np.float32)


def _file() -> Path:
    """The file inside the package, which is not imported: it would bring PyTorch along."""
    spec = importlib.util.find_spec("silero_vad")
    assert spec is not None and spec.origin is not None, "silero-vad is a dependency of ours"
    return Path(spec.origin).parent / "data" / "silero_vad_16k_sequence.onnx"
