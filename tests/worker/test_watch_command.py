"""`seacod watch`, as a service of its own beside the real one."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import sounds
from supervised import PATIENCE_SECONDS, ROOT, Service, free_port, wait_until


class Watch:
    """The command at a folder; begun and ended as often as a test likes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.log = folder.parent / "watch.log"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, url: str, *more: str) -> Watch:
        command = [sys.executable, "-m", "seacod", "watch", str(self.folder), "--url", url,
                   "--every", "0.2", "--settle", "0.4", *more]  # fmt: skip
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "LANG": "C"}
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, env=environment)
        return self

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        assert self.process is not None
        self.process.send_signal(number)
        return self.process.wait(PATIENCE_SECONDS)

    def said(self) -> str:
        return self.log.read_text() if self.log.exists() else ""

    def until(self, path: Path) -> Path:
        return wait_until(lambda: path.exists() and path, lambda: f"{path}; {self.said()}")


@pytest.fixture
def watch(tmp_path: Path) -> Iterator[Watch]:
    folder = tmp_path / "in"
    folder.mkdir()
    one = Watch(folder)
    yield one
    if one.process is not None and one.process.poll() is None:
        one.end(signal.SIGKILL)


def lay(path: Path) -> Path:
    """A recording, renamed in when it is complete."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.part")
    shutil.copy(sounds.SPEECH, part)
    return part.rename(path)


def test_what_is_laid_in_is_heard_once_also_across_restarts(live: Service, watch: Watch) -> None:
    lay(watch.folder / "before.flac")
    watch.start(live.url, "--format", "text,srt,json")
    assert watch.until(watch.folder / "before.txt").read_text() == f"{sounds.SPEECH_TEXT}\n"
    lay(watch.folder / "deep/会议.flac")
    watch.until(watch.folder / "deep/会议.json")
    assert watch.end() == 0
    assert "-->" in (watch.folder / "deep/会议.srt").read_text()
    assert watch.said().count("heard:") == 2
    # Texts that were taken away do not come back; what is new does.
    (watch.folder / "before.txt").unlink()
    watch.start(live.url)
    lay(watch.folder / "after.flac")
    watch.until(watch.folder / "after.txt")
    assert watch.end(signal.SIGINT) == 0
    assert not (watch.folder / "before.txt").exists()
    assert watch.said().count("heard:") == 3


def test_what_cannot_be_heard_is_set_aside_and_the_rest_goes_on(
    live: Service, watch: Watch, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    watch.start(live.url, "-o", str(out))
    (watch.folder / "broken.wav").write_text("no sound")
    (watch.folder / "notes.txt").write_text("of no interest")
    lay(watch.folder / "good.flac")
    reason = watch.until(watch.folder / "failed/broken.wav.reason.txt")
    assert watch.until(out / "good.txt").read_text() == f"{sounds.SPEECH_TEXT}\n"
    assert "not audio" in reason.read_text()
    wait_until(lambda: not (watch.folder / "broken.wav").exists(), "it is moved")
    assert (watch.folder / "failed/broken.wav").read_text() == "no sound"
    assert (watch.folder / "good.flac").exists()
    assert not (watch.folder / "good.txt").exists()
    assert watch.end() == 0


def test_a_service_that_is_away_is_waited_for(
    live: Service, watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    lay(watch.folder / "a.flac")
    watch.start(f"http://127.0.0.1:{free_port()}")
    wait_until(lambda: "no seacod answers" in watch.said(), watch.said)
    # Told once, not at every look; nothing is set aside for it.
    second = Watch(watch.folder)
    second.log = watch.folder.parent / "second.log"
    second.start(live.url)
    assert second.process is not None
    assert second.process.wait(PATIENCE_SECONDS) == 1
    assert "another seacod watch" in second.said()
    assert watch.end() == 0
    assert watch.said().count("no seacod answers") == 1
    assert not (watch.folder / "failed").exists()
    watch.start(live.url)
    watch.until(watch.folder / "a.txt")


def test_one_that_is_killed_leaves_nothing_unheard(live: Service, watch: Watch) -> None:
    for number in range(6):
        lay(watch.folder / f"{number}.flac")
    watch.start(live.url)
    wait_until(lambda: list(watch.folder.glob("*.txt")), watch.said)
    watch.end(signal.SIGKILL)
    watch.start(live.url)
    for number in range(6):
        text = watch.until(watch.folder / f"{number}.txt")
        assert text.read_text() == f"{sounds.SPEECH_TEXT}\n"
    assert watch.end() == 0
    assert len(list(watch.folder.glob("*.txt"))) == 6


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["/no/such/folder"], "there is no such folder"),
        ([".", "--at-once", "0"], "--at-once: use a number from 1 to 64"),
        ([".", "--format", "json,verbose_json"], "would both be written to *.json"),
        ([".", "--format", "nix"], "there is no 'nix'"),
        ([".", "--url", "nonsense"], "is not an address"),
    ],
)
def test_what_makes_no_sense_is_told(words: list[str], said: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "seacod", "watch", *words], cwd=tmp_path, capture_output=True,
        text=True, check=False, timeout=PATIENCE_SECONDS,
        env={**os.environ, "PYTHONPATH": str(ROOT), "LANG": "C"},
    )  # fmt: skip
    assert done.returncode == 1
    assert said in done.stderr
    assert "Traceback" not in done.stderr
