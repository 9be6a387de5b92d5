"""The process that runs the voice activity of all microphones: frames of sound in, probabilities
out. It keeps nothing of a stream, so that another one may go on with it.

Started by `live/caged_voice.py`, caged like a decoder (`sandbox.py`); dies with its worker.
"""

from __future__ import annotations

import signal
import socket
import struct
import sys

import numpy as np

from seacod.asr.decoder import sandbox
from seacod.asr.decoder.voice import CONTEXT, FRAME, FRAMES_A_CALL, STATE, network
from seacod.system.processes.parent_death import die_with

# How many frames come; what went wrong instead of an answer is the end of the process.
HEAD = struct.Struct("<I")
STATE_BYTES = 4 * int(np.prod(STATE))


def main() -> None:
    """Serve until the worker closes the other end."""
    connection = socket.socket(fileno=int(sys.argv[1]))
    if not die_with(int(sys.argv[2])):
        return
    # Ctrl-C in a terminal reaches the whole group; ending is the worker's to decide.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    session = network()
    sandbox.enter(connection.fileno())
    # The cage holds, and the network is there.
    connection.sendall(HEAD.pack(0))
    while head := connection.recv(HEAD.size, socket.MSG_WAITALL):
        (frames,) = HEAD.unpack(head)
        if frames > FRAMES_A_CALL:
            return
        body = received(connection, 4 * frames * (FRAME + CONTEXT) + 2 * STATE_BYTES)
        hidden, cell, sound = (
            np.frombuffer(body, np.float32, count, offset).reshape(shape)
            for count, offset, shape in (
                (STATE_BYTES // 4, 0, STATE),
                (STATE_BYTES // 4, STATE_BYTES, STATE),
                (frames * (FRAME + CONTEXT), 2 * STATE_BYTES, (frames, FRAME + CONTEXT)),
            )
        )
        probabilities, hidden, cell = session.run(
            ["speech_probs", "hn", "cn"], {"input": sound, "h": hidden, "c": cell}
        )
        answer = (hidden, cell, probabilities.reshape(-1))
        connection.sendall(b"".join(one.astype("<f4").tobytes() for one in answer))


def received(connection: socket.socket, length: int) -> bytes:
    """So many bytes.

    Raises:
        ConnectionError: the other side ended before.
    """
    data = bytearray(length)
    view = memoryview(data)
    at = 0
    while at < length:
        count = connection.recv_into(view[at:])
        if not count:
            raise ConnectionError("the other side has ended")
        at += count
    return bytes(data)


if __name__ == "__main__":
    main()
