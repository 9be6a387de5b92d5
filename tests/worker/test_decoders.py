"""Decoding in processes of its own: what breaks one costs one request; long ones wait in little
memory; mutated files are heard or refused."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import decoder_processes
import psutil
import pytest
import sounds
from supervised import PATIENCE_SECONDS, ROOT, wait_until

from seacod.asr.decoder import births, child
from seacod.asr.decoder.child import DecoderProcess
from seacod.asr.decoder.pool import Decoders
from seacod.asr.decoder.wire import DecodeTask
from seacod.errors import BadAudio, NotReady, SeacodError


def task(want: str = "pieces", seconds: float = 300.0) -> DecodeTask:
    return DecodeTask(want, seconds, 1 << 30, 20.0)  # type: ignore[arg-type]


def with_decoders(test: Callable[[Decoders], Coroutine[Any, Any, None]], most: int = 4) -> None:
    async def run() -> None:
        decoders = Decoders(1, most)
        await decoders.start()
        try:
            await test(decoders)
        finally:
            await decoders.close()

    asyncio.run(run())
    assert not decoder_processes.decoders()
    assert not decoder_processes.nurseries()


async def kinds(decoders: Decoders, path: Path, what: DecodeTask | None = None) -> list[str]:
    return [frame.kind async for frame in decoders.run(path, what or task())]


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP, signal.SIGSEGV])
def test_an_idle_decoder_that_is_killed_or_stopped_costs_nobody_anything(
    number: signal.Signals,
) -> None:
    async def test(decoders: Decoders) -> None:
        for is_bulk in (False, True):
            assert (await kinds(decoders, sounds.SPEECH))[-1] == "done"
            (idle,) = decoder_processes.decoders()
            idle.send_signal(number)
            # Sent is not done: one that stops later is waited for, as in the middle of a recording.
            wait_until(lambda one=idle: is_struck(one), "the end of the signal's way")
            heard = [
                frame.kind async for frame in decoders.run(sounds.SPEECH, task(), is_bulk=is_bulk)
            ]
            assert heard[-1] == "done"
            assert not idle.is_running()

    with_decoders(test)


def is_struck(process: psutil.Process) -> bool:
    """Whether it has ended or stands still."""
    try:
        return process.status() in (psutil.STATUS_STOPPED, psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return True


def dying(monkeypatch: pytest.MonkeyPatch, times: int, after: int = 0) -> None:
    """Have decoders killed in the middle of a recording.

    Args:
        times: so many of them.
        after: so many frames of theirs are read before.
    """
    left = times
    real_give, real_read = DecoderProcess.give, DecoderProcess.read_frame
    read: Counter[DecoderProcess] = Counter()

    def give(self: DecoderProcess, path: Path, what: DecodeTask) -> None:
        read[self] = 0
        real_give(self, path, what)

    async def read_frame(self: DecoderProcess) -> child.Frame:
        nonlocal left
        if self in read and left and read[self] == after:
            left -= 1
            del read[self]
            (one,) = decoder_processes.decoders()
            one.kill()
            one.wait()
            raise child.DecoderBroke("killed by SIGKILL")
        frame = await real_read(self)
        if self in read:
            read[self] += 1
        return frame

    monkeypatch.setattr(DecoderProcess, "give", give)
    monkeypatch.setattr(DecoderProcess, "read_frame", read_frame)


@pytest.mark.parametrize("after", [0, 1, 4])
def test_a_decoder_that_dies_in_the_middle_is_followed_by_one_that_hears_the_whole(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, after: int
) -> None:
    path = tmp_path / "long.wav"
    path.write_bytes(sounds.wav((sounds.tone(100) * 20_000).astype("<i2").tobytes()))

    async def test(decoders: Decoders) -> None:
        async def heard() -> list[tuple[str, int, bytes]]:
            return [
                (frame.kind, frame.position, b"" if frame.samples is None else bytes(frame.samples))
                async for frame in decoders.run(path, task("samples"))
            ]

        undisturbed = await heard()
        dying(monkeypatch, 1, after)
        assert await heard() == undisturbed
        assert decoders.broken == 1

    with_decoders(test)


def test_a_recording_with_which_two_decoders_die_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def test(decoders: Decoders) -> None:
        dying(monkeypatch, 2)
        with pytest.raises(BadAudio, match="twice"):
            await kinds(decoders, sounds.SPEECH)
        assert (await kinds(decoders, sounds.SPEECH))[-1] == "done"

    with_decoders(test)


def test_a_decoder_that_says_nothing_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stopped in the middle of a recording; another one hears it."""
    real = Decoders._note_broken

    def broken(self: Decoders, *given: Any, **named: Any) -> None:
        monkeypatch.setattr(child, "_SILENT_SECONDS", PATIENCE_SECONDS)
        real(self, *given, **named)

    async def test(decoders: Decoders) -> None:
        await kinds(decoders, sounds.SPEECH)
        (process,) = decoder_processes.decoders()
        give = DecoderProcess.give

        def stopped(self: DecoderProcess, path: Path, what: DecodeTask) -> None:
            if self._process.pid == process.pid:
                process.suspend()
            give(self, path, what)

        monkeypatch.setattr(DecoderProcess, "give", stopped)
        monkeypatch.setattr(Decoders, "_note_broken", broken)
        monkeypatch.setattr(child, "_SILENT_SECONDS", 0.5)
        assert (await kinds(decoders, sounds.SPEECH))[-1] == "done"
        assert decoders.broken == 1
        assert not process.is_running()

    with_decoders(test)


def test_it_cannot_write_files_nor_grow_without_bound() -> None:
    async def test(decoders: Decoders) -> None:
        await kinds(decoders, sounds.SPEECH)
        (child,) = decoder_processes.decoders()
        limits = Path(f"/proc/{child.pid}/limits").read_text()
        status = Path(f"/proc/{child.pid}/status").read_text()
        assert "Max file size             0 " in limits
        assert "Max core file size        0 " in limits
        assert "Max address space         unlimited" not in limits
        assert "NoNewPrivs:\t1" in status

    with_decoders(test)


def test_it_sees_its_libraries_and_nothing_else(tmp_path: Path) -> None:
    """Somebody who takes a decoder over by a recording finds no secrets and no way out."""
    (tmp_path / "secret").write_text("x")
    code = (
        "import socket, sys\n"
        "from seacod.asr.decoder import sandbox\n"
        "print(sandbox.enter())\n"
        "def tried(act):\n"
        " try: act()\n"
        " except PermissionError: return 'denied'\n"
        " except Exception as error: return repr(error)\n"
        " return 'done'\n"
        "print(tried(lambda: open(sys.argv[1] + '/secret').read()))\n"
        "print(tried(lambda: open('/etc/passwd').read()))\n"
        "print(tried(lambda: open(sys.argv[1] + '/new', 'w')))\n"
        "print(tried(lambda: socket.create_connection(('127.0.0.1', int(sys.argv[2])))))\n"
        "import wave\n"
        "print(wave.__name__)\n"
    )
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        result = subprocess.run(
            [sys.executable, "-c", code, str(tmp_path), str(port)],
            capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=True,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )  # fmt: skip
    is_locked, *tries, imported = result.stdout.split("\n")[:-1]
    if is_locked == "False":
        pytest.skip("this kernel has no Landlock")
    assert tries == ["denied"] * 4
    assert imported == "wave"


def test_decoders_die_with_their_worker(tmp_path: Path) -> None:
    """Killed with -9, a worker leaves none behind (asked of the kernel by prctl)."""
    code = (
        "import asyncio\nfrom seacod.asr.decoder.pool import Decoders\n"
        "async def main():\n d = Decoders(2, 2)\n await d.start()\n print('on', flush=True)\n"
        " await asyncio.sleep(600)\nasyncio.run(main())"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    assert parent.stdout is not None
    assert parent.stdout.readline() == b"on\n"
    children = psutil.Process(parent.pid).children(recursive=True)
    assert len(children) == 2, "a nursery, and the decoder"
    parent.kill()
    parent.wait()
    _, alive = psutil.wait_procs(children, timeout=PATIENCE_SECONDS)
    assert not alive


def test_decoders_that_cannot_start_are_our_fault_not_the_recordings(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def run() -> None:
        decoders = Decoders(1, 1)
        with pytest.raises(NotReady, match="exit code 3"):
            await decoders.start()
        monkeypatch.undo()
        assert (await kinds(decoders, sounds.SPEECH))[-1] == "done"
        await decoders.close()

    monkeypatch.setattr(births, "python", lambda *_: ["/bin/sh", "-c", "exit 3"])
    asyncio.run(run())


def test_a_long_recording_stands_still_until_it_is_taken(tmp_path: Path) -> None:
    """The decoder fills the pipe and waits; meanwhile others are decoded."""
    path = tmp_path / "long.wav"
    path.write_bytes(sounds.wav((sounds.tone(200) * 20_000).astype("<i2").tobytes()))

    async def test(decoders: Decoders) -> None:
        stream = decoders.run(path, task("samples"), is_long=True)
        frames = [await anext(stream) for _ in range(3)]
        assert frames[1].kind == "block"
        assert (await kinds(decoders, sounds.SPEECH))[-1] == "done"
        # Given up in the middle: the process goes, the next recording has another.
        await stream.aclose()
        assert (await kinds(decoders, path, task("samples")))[-1] == "done"

    with_decoders(test)


def test_a_new_limit_of_long_recordings_takes_effect_while_they_are_decoded(tmp_path: Path) -> None:
    """Raised, those that wait are begun at once; lowered, nothing that runs is lost."""
    path = tmp_path / "long.wav"
    path.write_bytes(sounds.wav((sounds.tone(200) * 20_000).astype("<i2").tobytes()))

    async def test(decoders: Decoders) -> None:
        first, second, third = (
            decoders.run(path, task("samples"), is_long=True) for _ in range(3)
        )  # fmt: skip
        assert (await anext(first)).kind == "info"
        begins = asyncio.ensure_future(anext(second))
        await asyncio.sleep(0)
        # Allowed, it would have begun a process by now.
        assert len(decoder_processes.decoders()) == 1 and not begins.done()
        decoders.limit(2)
        assert (await asyncio.wait_for(begins, PATIENCE_SECONDS)).kind == "info"
        decoders.limit(1)
        waits = asyncio.ensure_future(anext(third))
        assert [frame.kind async for frame in first][-1] == "done"
        # Time enough for the third, if it were allowed.
        assert (await kinds(decoders, sounds.SPEECH))[-1] == "done"
        assert not waits.done()
        assert [frame.kind async for frame in second][-1] == "done"
        assert (await asyncio.wait_for(waits, PATIENCE_SECONDS)).kind == "info"
        await third.aclose()

    with_decoders(test, most=1)


def test_more_decoders_come_when_all_are_busy_and_never_too_many() -> None:
    async def test(decoders: Decoders) -> None:
        await asyncio.gather(*(kinds(decoders, sounds.SPEECH) for _ in range(12)))
        assert 1 <= len(decoder_processes.decoders()) <= 3

    with_decoders(test, most=3)


@pytest.mark.timeout(600)
def test_mutated_files_are_heard_or_refused(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    """Every container we know, cut, flipped, spliced: a result or one of our errors each time. With
    --all more of them, and ten thousand others are sent to a service (tools/attack.py)."""
    count = 2_000 if request.config.getoption("all") else 300
    chance = random.Random(20_240_601)
    sources = []
    for name in ("a.wav", "a.flac", "a.mp3", "a.m4a", "a.webm", "a.ogg", "a.aac", "a.wma"):
        container, codec, rate, layout = sounds.FORMATS[name]
        made = sounds.encode(
            tmp_path / name, 0.4, container=container, codec=codec, rate=rate, layout=layout
        )
        sources.append(made.read_bytes())
    outcomes: dict[str, int] = {}

    async def one(decoders: Decoders, path: Path) -> None:
        path.write_bytes(mutated(chance, sources))
        try:
            outcome = (await kinds(decoders, path, task(seconds=30.0)))[-1]
        except SeacodError as error:
            assert error.http_status in (400, 413, 415)
            outcome = error.code
        outcomes[outcome] = outcomes.get(outcome, 0) + 1

    async def test(decoders: Decoders) -> None:
        async def worker(number: int) -> None:
            for _ in range(count // 4):
                await one(decoders, tmp_path / f"mutated-{number}")

        await asyncio.gather(*(worker(number) for number in range(4)))
        assert (await kinds(decoders, sounds.SPEECH))[-1] == "done"
        assert decoders.broken == 0

    with_decoders(test)
    assert sum(outcomes.values()) == count
    # Neither did all of them still work, nor none.
    assert outcomes["done"] > count // 20
    assert outcomes["bad_audio"] > count // 20


def mutated(chance: random.Random, sources: list[bytes]) -> bytes:
    data = bytearray(chance.choice(sources))
    for _ in range(chance.choice((1, 1, 2, 4, 16))):
        where = chance.randrange(len(data)) if chance.random() < 0.5 else chance.randrange(128)
        where = min(where, len(data) - 1)
        kind = chance.randrange(5)
        if kind == 0:
            data[where] ^= 1 << chance.randrange(8)
        elif kind == 1:
            data[where : where + 4] = chance.choice((b"\xff" * 4, b"\0" * 4, b"\x7f\xff\xff\xff"))
        elif kind == 2 and len(data) > 64:
            del data[where : where + chance.randrange(1, 64)]
        elif kind == 3:
            other = chance.choice(sources)
            at = chance.randrange(len(other))
            data[where:where] = other[at : at + 64]
        else:
            del data[max(16, where) :]
    return bytes(data)


def empty_parts() -> dict[str, bytes]:
    """Files of millions of parts with nothing in them, in front of some sound."""
    count = 3_000_000
    sound = sounds.wav(sounds.tone(1).astype("<i2").tobytes())[12:]
    aiff = b"FORM" + b"\xff\xff\xff\xfe" + b"AIFF" + (b"JUNK" + bytes(4)) * count
    page = b"OggS\0\0" + bytes(8) + b"\1\0\0\0" + bytes(8) + b"\0"
    return {
        # The only one that is good in the end: more than the quickest machine reads in that time.
        "wav": b"RIFF\xff\xff\xff\xffWAVE" + (b"junk" + bytes(4)) * (4 * count) + sound,
        "mp4": b"\0\0\0\x14ftypM4A \0\0\0\0M4A " + b"\0\0\0\x08free" * count,
        "caf": b"caff\0\1\0\0" + (b"free" + bytes(8)) * count,
        "aiff": aiff,
        "ogg": page * (count // 4),
    }


def test_a_header_has_a_few_seconds_and_costs_nobody_else_more(tmp_path: Path) -> None:
    async def test(decoders: Decoders) -> None:
        for name, body in empty_parts().items():
            path = tmp_path / name
            path.write_bytes(body)
            with pytest.raises(SeacodError) as refused:
                await decoders.inspect(path, task("inspect"))
            assert refused.value.http_status < 500, name
            assert (await kinds(decoders, sounds.SPEECH))[-1] == "done"

    with_decoders(test)


def test_people_do_not_wait_for_the_recordings_of_jobs(tmp_path: Path) -> None:
    slow = tmp_path / "slow.wav"
    slow.write_bytes(b"RIFF\xff\xff\xff\xffWAVE" + (b"junk" + bytes(4)) * 3_000_000)

    async def test(decoders: Decoders) -> None:
        bulk = [
            asyncio.ensure_future(decoders.inspect(slow, task("inspect"), is_bulk=True))
            for _ in range(4)
        ]
        await asyncio.sleep(0)
        await decoders.inspect(sounds.SPEECH, task("inspect"))
        assert not any(one.done() for one in bulk)
        for one in bulk:
            one.cancel()
        await asyncio.gather(*bulk, return_exceptions=True)

    with_decoders(test)
