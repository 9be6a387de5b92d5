"""Puts one fault after the other into a copy of the product and runs the tests that must notice.

What takes long in a short test is the start: so everything that others have written is imported
once, and each trial is a fork of that process, with the copy first in its path. A copy belongs to
one runner and has the tests in it, too, so that the programs that they start are those with the
fault; nothing in the repository is touched.
"""

from __future__ import annotations

import contextlib
import enum
import importlib
import os
import resource
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from mutating.faults import ROOT, Fault

# Imported before the forks. Not prometheus_client, which looks at its environment when it is
# imported.
_IMPORTED = (
    "pytest", "hypothesis", "hypothesis.strategies", "numpy", "httpx", "anyio", "yaml", "psutil",
    "structlog", "pydantic", "fastapi", "starlette.testclient", "uvicorn", "websockets", "jinja2",
    "aiosmtplib", "aiosmtpd.controller", "cryptography.x509", "sqlalchemy", "av", "scipy.signal",
    "regex", "openai", "torch", "xdist.scheduler", "python_multipart",
)  # fmt: skip
# Of the repository, what a runner has for itself; all else is linked.
_CHANGED = {"seacod", "tests"}
# A fault may well be a wait that never ends.
_TEST_SECONDS = 60
# As things are, a test may take as long as in a run of its own.
_RIGHT_TEST_SECONDS = 180
_TRIAL_SECONDS = 240.0
_FAILED, _PASSED, _LATE = 1, 0, 124


class Verdict(enum.Enum):
    """What became of a fault."""

    CAUGHT = "caught"
    SURVIVED = "survived"
    LATE = "late"
    """Its tests had to be ended: a slow machine, or one that waits for ever?"""
    BROKEN = "broken"
    """The tests could not be run with it: that says nothing."""


_VERDICTS = {_FAILED: Verdict.CAUGHT, _PASSED: Verdict.SURVIVED, _LATE: Verdict.LATE}


@dataclass(frozen=True, slots=True)
class Outcome:
    """A fault that was tried.

    Args:
        fault: which.
        verdict: what became of it.
        cpu_seconds: of its tests.
        words: what pytest wrote.
    """

    fault: Fault
    verdict: Verdict
    cpu_seconds: float
    words: str


def import_first() -> None:
    """What every trial needs and no fault touches."""
    for name in _IMPORTED:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)


def passes(tests: Iterable[str]) -> tuple[bool, str]:
    """Whether these tests pass as things are, and what pytest wrote: a test that fails anyway
    notices nothing."""
    with _copy() as copy:
        status, _, words = _run(copy, sorted(set(tests)), 10 * _TRIAL_SECONDS, _RIGHT_TEST_SECONDS)
    return status == _PASSED, words


def each(faults: Iterable[Fault], runners: int) -> Iterator[Outcome]:
    """Try them, several at once."""
    with contextlib.ExitStack() as stack:
        copies = [stack.enter_context(_copy()) for _ in range(runners)]
        with ThreadPoolExecutor(runners) as pool:

            def one(fault: Fault) -> Outcome:
                copy = copies.pop()
                try:
                    return _try(copy, fault)
                finally:
                    copies.append(copy)

            yield from pool.map(one, faults)


def _try(copy: Path, fault: Fault) -> Outcome:
    file = copy / fault.file
    times = file.stat()
    right = file.read_bytes()
    file.write_text(fault.source(), "utf-8")
    # Compiled files are known by size and second.
    os.utime(file, (time.time(), times.st_mtime + 10))
    try:
        status, seconds, words = _run(copy, list(fault.tests), _TRIAL_SECONDS, _TEST_SECONDS)
    finally:
        file.write_bytes(right)
        os.utime(file, (times.st_atime, times.st_mtime))
    return Outcome(fault, _VERDICTS.get(status, Verdict.BROKEN), seconds, words)


@contextlib.contextmanager
def _copy() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="seacod-mutants-") as folder:
        for entry in ROOT.iterdir():
            place = Path(folder, entry.name)
            if entry.name in _CHANGED:
                shutil.copytree(entry, place)
            else:
                place.symlink_to(entry)
        yield Path(folder)


def _run(
    copy: Path, tests: list[str], limit_seconds: float, test_seconds: int
) -> tuple[int, float, str]:
    """pytest's exit code, the seconds of CPU and what was written."""
    with tempfile.TemporaryFile() as words:
        pid = os.fork()
        if pid == 0:
            _be_pytest(copy, tests, test_seconds, words.fileno())
        status, seconds = _wait(pid, limit_seconds)
        words.seek(0)
        return status, seconds, words.read().decode("utf-8", "replace")


def _be_pytest(copy: Path, tests: list[str], test_seconds: int, output: int) -> None:
    """The child's part; does not come back."""
    status = 3
    try:
        os.setsid()
        os.dup2(output, 1)
        os.dup2(output, 2)
        os.chdir(copy)
        sys.path.insert(0, str(copy))
        sys.dont_write_bytecode = True
        os.environ.update(PYTHONPATH=str(copy), PYTHONDONTWRITEBYTECODE="1")
        for name in [name for name in sys.modules if name.partition(".")[0] == "seacod"]:
            del sys.modules[name]
        import pytest

        status = pytest.main(
            ["-x", "-q", "--all", "--no-header", "-p", "no:cacheprovider", "-p", "no:xdist",
             "--durations=0", "--tb=short", f"--timeout={test_seconds}", *tests]
        )  # fmt: skip
        sys.stdout.flush()
    finally:
        os._exit(int(status))


def _wait(pid: int, limit_seconds: float) -> tuple[int, float]:
    """The exit code; another one when the tests had to be ended."""
    deadline = time.monotonic() + limit_seconds
    is_late = False
    while True:
        ended, status, usage = os.wait4(pid, os.WNOHANG)
        if ended:
            break
        if time.monotonic() > deadline:
            is_late = True
            os.kill(pid, signal.SIGKILL)
        time.sleep(0.02)
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)
    code = _LATE if is_late else os.waitstatus_to_exitcode(status)
    return code, _seconds(usage)


def _seconds(usage: resource.struct_rusage) -> float:
    return usage.ru_utime + usage.ru_stime
