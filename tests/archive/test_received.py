"""An engine's own directory of recordings: nothing of it is left, however the engine ends."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from supervised import ROOT, wait_until

from seacod.archive.received import ReceivedFiles
from seacod.archive.sending import PIECE_BYTES, OutgoingRecordings
from seacod.system.files.digest import sha256_of

# An engine that has a recording and half of another one.
ENGINE = """
import sys, time
from pathlib import Path
from seacod.archive.received import ReceivedFiles
files = ReceivedFiles(Path(sys.argv[1]))
files.receive([b"whole"])
files.receive([b"half"], 7)
print(files.directory, flush=True)
time.sleep(600)
"""


class Engine:
    """A process with recordings in a directory of its own."""

    def __init__(self, parent: Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", ENGINE, parent], stdout=subprocess.PIPE, text=True,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )  # fmt: skip
        assert self._process.stdout is not None
        self.directory = Path(self._process.stdout.readline().strip())

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    one = Engine(tmp_path)
    try:
        yield one
    finally:
        one.kill()


def watcher(directory: Path) -> int:
    """The pid of the shell that waits for the end of an engine."""
    for process in psutil.process_iter(["cmdline"]):
        words = process.info["cmdline"] or [""]
        if words[0] == "/bin/sh" and str(directory) in words:
            return process.pid
    raise AssertionError(directory)


def test_an_engine_that_is_killed_leaves_nothing(engine: Engine) -> None:
    assert len(list(engine.directory.iterdir())) == 2
    engine.kill()
    wait_until(lambda: not engine.directory.exists(), "nothing is left")


def test_what_was_killed_with_its_node_is_removed_by_the_next_engine(
    tmp_path: Path, engine: Engine
) -> None:
    os.kill(watcher(engine.directory), signal.SIGKILL)
    engine.kill()
    assert len(list(engine.directory.iterdir())) == 2
    other = tmp_path / "somebody-elses"
    other.mkdir()
    following = Engine(tmp_path)
    try:
        assert sorted(tmp_path.iterdir()) == sorted([other, following.directory])
    finally:
        following.kill()


def test_a_living_engine_keeps_its_recordings(tmp_path: Path, engine: Engine) -> None:
    Engine(tmp_path).kill()
    assert len(list(engine.directory.iterdir())) == 2


def test_a_recording_that_comes_in_pieces_is_whole(tmp_path: Path) -> None:
    sound = tmp_path / "a.wav"
    sound.write_bytes(os.urandom(2 * PIECE_BYTES + 5))
    outbox = OutgoingRecordings(limit=1)
    sending, files = outbox.begin(sound), ReceivedFiles(tmp_path)
    assert outbox.is_full
    sizes = []
    while piece := sending.piece():
        files.receive([piece], 3)
        sizes.append(len(piece))
    sending.end()
    assert not outbox.is_full
    assert sizes == [PIECE_BYTES, PIECE_BYTES, 5]
    file = files.take(3)
    assert file.sha256 == sending.sha256 == sha256_of(sound) == sha256_of(file.path)


def test_of_what_cannot_be_kept_or_is_given_up_nothing_is_left(tmp_path: Path) -> None:
    def full() -> Iterator[bytes]:
        yield b"a part"
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    files = ReceivedFiles(tmp_path)
    for number in (None, 1):
        with pytest.raises(OSError, match="No space"):
            files.receive(full(), number)
    files.receive([b"a part"], 2)
    files.forget(2)
    assert not list(files.directory.iterdir())
