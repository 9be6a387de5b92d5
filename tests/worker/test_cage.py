"""The cage of the processes that touch strangers' sound: nothing leads out of it, and nothing in it
is different from outside but that."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import sounds
from decoder_processes import nurseries
from supervised import PATIENCE_SECONDS, ROOT

from seacod.asr import audio
from seacod.asr.decoder.pool import Decoders
from seacod.asr.decoder.voice import SileroVoice
from seacod.asr.live import caged_voice
from seacod.asr.live.caged_voice import CagedNetwork
from seacod.errors import InferenceFailed

# Each is a way out for foreign code; what is returned is that it led somewhere.
WAYS = {
    "TCP": "socket.socket()",
    "UDP": "socket.socket(socket.AF_INET, socket.SOCK_DGRAM)",
    "UDP of IPv6": "socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)",
    "a unix socket": "socket.socket(socket.AF_UNIX)",
    "a unix datagram": "socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)",
    "the kernel's messages": "socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0)",
    "a pair of sockets": "socket.socketpair()",
    "a name server": "socket.create_connection(('localhost', 1))",
    "a program": "os.execv('/bin/true', ['true'])",
    "a program beside": "subprocess.run(['/bin/true'])",
    "a spawned program": "os.posix_spawn('/bin/true', ['true'], {})",
    "a shell": "check(os.system('true'))",
    "a fork": "os.fork()",
    "a vfork": "check(libc.vfork())",
    "a thread": "threading.Thread(target=int).start()",
    "the worker": "os.kill(os.getppid(), 0)",
    "everybody": "os.kill(-1, 0)",
    "its group": "os.killpg(0, 0)",
    "a handle of the worker": "os.pidfd_open(os.getppid())",
    "the worker's limits": "resource.prlimit(os.getppid(), resource.RLIMIT_CPU)",
    "the worker's priority": "os.setpriority(os.PRIO_PROCESS, os.getppid(), 0)",
    "the worker's cores": "os.sched_setaffinity(os.getppid(), os.sched_getaffinity(os.getppid()))",
    "a file of the system": "open('/etc/passwd').read()",
    "a new file": "open('/tmp/seacod-cage-test', 'w')",
    "an old file": "os.open('/dev/null', os.O_RDWR)",
    "a directory": "os.mkdir('/tmp/seacod-cage-test')",
    "removing": "os.unlink('/tmp/seacod-cage-test')",
    "rights": "os.chmod('/tmp', 0o1777)",
    "a link": "os.symlink('/', '/tmp/seacod-cage-test')",
    "memory that is a file": "os.memfd_create('x')",
    "another user": "os.setuid(os.getuid())",
    "an old root": "os.chroot('/')",
    "more limits": "resource.setrlimit(resource.RLIMIT_NPROC, (5, 5))",
    "the worker's memory": "open(f'/proc/{os.getppid()}/mem', 'rb')",
    "the worker's environment": "open(f'/proc/{os.getppid()}/environ', 'rb')",
    "ptrace": "call(101, 16, os.getppid())",
    "reading memory": "call(310, os.getppid())",
    "rings": "call(425, 4, 0)",
    "clone3": "call(435, 0, 0)",
    "clone": "call(56, 17, 0)",
    "namespaces": "call(272, 0x10000000)",
    "bpf": "call(321, 0, 0)",
    "performance counters": "call(298, 0, 0)",
    "keys": "call(250, 0, 0)",
    "shared memory": "call(29, 0, 4096, 0o1666)",
    "outliving the worker": "call(157, 1, 0)",
    "mounts": "call(165, 0, 0)",
}
CODE = f"""
import ctypes, os, resource, socket, subprocess, sys, threading
from seacod.asr.decoder import sandbox, system_calls

libc = ctypes.CDLL(None, use_errno=True)
def check(result):
    if result: raise PermissionError(result)
def call(number, *given):
    if libc.syscall(number, *given, 0, 0, 0, 0) < 0: raise OSError(ctypes.get_errno(), "refused")
extra = os.pipe()
print(sandbox.enter())
for name, way in {WAYS!r}.items():
    try:
        eval(way)
    except Exception:
        continue
    print(name, flush=True)
try:
    os.fstat(extra[0])
    print("an open descriptor")
except OSError:
    pass
import wave
print(wave.__name__)
"""


def caged(*arguments: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", CODE, *arguments], capture_output=True, text=True,
        timeout=PATIENCE_SECONDS,
        env={**os.environ, "PYTHONPATH": str(ROOT)}, check=True,
    )  # fmt: skip
    return done.stdout.split("\n")[:-1]


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="numbers of system calls of x86-64")
def test_nothing_leads_out() -> None:
    cage, *led_somewhere, imported = caged()
    if "landlock=True" not in cage:
        pytest.skip("this kernel has no Landlock")
    assert cage == "Cage(landlock=True, seccomp=True)"
    assert led_somewhere == []
    # Libraries still find what they import late.
    assert imported == "wave"


@pytest.fixture
def network() -> CagedNetwork:
    one = CagedNetwork()
    yield one  # type: ignore[misc]
    one.close()


def test_without_libseccomp_the_rest_holds() -> None:
    code = (
        "import os, sys\nfrom seacod.asr.decoder import sandbox, system_calls\n"
        "system_calls.pyseccomp = None\nprint(sandbox.enter())\n"
        "try: open('/etc/passwd'); print('open')\nexcept PermissionError: print('closed')"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=PATIENCE_SECONDS,
        env={**os.environ, "PYTHONPATH": str(ROOT)}, check=True,
    )  # fmt: skip
    cage, files = done.stdout.split("\n")[:-1]
    assert "seccomp=False" in cage
    assert files == "closed" or "landlock=False" in cage


def looked_at(pid: int) -> None:
    """A process of ours, from outside."""
    status = Path(f"/proc/{pid}/status").read_text()
    for line in ("NoNewPrivs:\t1", "Seccomp:\t2", "CapEff:\t0000000000000000", "Threads:\t1\n"):
        assert line in status
    limits = Path(f"/proc/{pid}/limits").read_text()
    assert "Max processes             0 " in limits
    kinds = [os.readlink(file) for file in Path(f"/proc/{pid}/fd").iterdir()]
    assert sum(kind.startswith("socket:") for kind in kinds) <= 2
    assert len(kinds) <= 5
    environment = Path(f"/proc/{pid}/environ").read_text()
    assert "s3cret" not in environment and "SEACOD_RESULTS" not in environment


def test_a_decoder_has_nothing_it_does_not_work_with(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://user:s3cret@proxy")
    monkeypatch.setenv("SEACOD_RESULTS_DATABASE", "x")

    async def run() -> None:
        decoders = Decoders(1, 1)
        await decoders.start()
        (nursery,) = nurseries()
        (child,) = nursery.children()
        looked_at(child.pid)
        assert "s3cret" not in str(nursery.environ())
        # Alone on its thread, so that whoever is forked from it does not hang.
        assert nursery.num_threads() == 1
        await decoders.close()

    asyncio.run(run())


def test_the_voice_activity_of_microphones_is_caged_and_the_same(
    network: CagedNetwork, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://user:s3cret@proxy")
    speech = audio.decode(sounds.SPEECH, max_seconds=60)
    inside, outside = SileroVoice(network), SileroVoice()
    for at in range(0, len(speech), 5000):
        block = speech[at : at + 5000]
        np.testing.assert_array_equal(inside.feed(block), outside.feed(block))
    np.testing.assert_array_equal(inside.end(), outside.end())
    assert network._process is not None
    looked_at(network._process.pid)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
def test_a_voice_process_that_breaks_costs_nothing_of_what_was_said(
    network: CagedNetwork, monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    monkeypatch.setattr(caged_voice, "_SILENT_SECONDS", PATIENCE_SECONDS)
    speech = audio.decode(sounds.SPEECH, max_seconds=60)
    inside, outside = SileroVoice(network), SileroVoice()
    half = len(speech) // 2
    np.testing.assert_array_equal(inside.feed(speech[:half]), outside.feed(speech[:half]))
    assert network._process is not None and network._connection is not None
    network._connection.settimeout(0.5)
    broken = network._process
    broken.send_signal(number)
    np.testing.assert_array_equal(inside.feed(speech[half:]), outside.feed(speech[half:]))
    assert broken.poll() is not None


def test_voice_activity_that_does_not_start_is_our_fault(
    network: CagedNetwork, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(caged_voice, "python", lambda *_: ["/bin/false"])
    network.begin()
    with pytest.raises(InferenceFailed):
        SileroVoice(network).feed(np.zeros(16_000, np.float32))
    monkeypatch.undo()
    assert len(SileroVoice(network).feed(np.zeros(16_000, np.float32))) == 31
    network.close()
    with pytest.raises(InferenceFailed):
        SileroVoice(network).feed(np.zeros(16_000, np.float32))


def test_the_worker_itself_never_runs_onnxruntime() -> None:
    code = (
        "import os, sys, seacod.asr.service, seacod.asr.live.sessions, seacod.web.app\n"
        "print(os.environ['ORT_DISABLE_TELEMETRY'], 'onnxruntime' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True,
        timeout=PATIENCE_SECONDS, check=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert done.stdout == "1 False\n"
