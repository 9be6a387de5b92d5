"""In an empty network namespace, looked at by the kernel's tracing: a service asks no name server,
connects to nobody but itself, and writes nowhere but in its directories."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from supervised import ROOT

HERE = Path(__file__).parent
CALLS = "connect,sendto,sendmsg,open,openat,openat2,creat,mkdir,mkdirat,symlink,symlinkat,rename"
WRITES = re.compile(r"O_WRONLY|O_RDWR|O_CREAT|O_TRUNC|^\d+ +(?:mkdir|creat|symlink|rename)")


@pytest.mark.full
@pytest.mark.skipif(
    os.geteuid() != 0 or not all(map(shutil.which, ("strace", "unshare", "ip"))),
    reason="needs root, strace, unshare and ip",
)
def test_a_service_is_alone_with_its_directories(tmp_path: Path) -> None:
    own, home, trace = tmp_path / "service", tmp_path / "home", tmp_path / "trace"
    home.mkdir()
    traced = ["strace", "-f", "-qq", "--seccomp-bpf", "-e", f"trace={CALLS}", "-o", str(trace)]
    done = subprocess.run(
        ["unshare", "-n", *traced, sys.executable, str(HERE / "quiet_service.py"), str(own),
         str(home)],
        capture_output=True, text=True, timeout=500, cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"},
    )  # fmt: skip
    assert done.stdout.endswith("served\n"), done.stderr[-3000:]
    lines = trace.read_text("utf-8", "replace").splitlines()
    assert len(lines) > 1000
    outside = [line for line in lines if leads_outside(line)]
    assert not outside, "\n".join(outside[:20])
    foreign = [line for line in lines if WRITES.search(line) and not is_ours(line, tmp_path)]
    assert not foreign, "\n".join(foreign[:20])
    assert not list(home.iterdir())


def leads_outside(line: str) -> bool:
    """Whether this speaks to anybody but ourselves."""
    family = re.search(r"sa_family=(\w+)", line)
    if family is None or family[1] in ("AF_UNIX", "AF_NETLINK"):
        # The kernel may be asked for its addresses; of unix sockets only those of this test and
        # of the process's own, no name service's cache.
        return "sun_path=" in line and "/service/run/" not in line
    return not re.search(r'inet_addr\("127\.0\.0\.1"\)|"::1"', line) or "htons(53)" in line


def is_ours(line: str, directory: Path) -> bool:
    """Whether what is written lies in the service's directories, or was refused."""
    (path,) = re.findall(r'"([^"]*)"', line)[:1] or [""]
    inside = path.startswith((f"{directory}/service", "/dev/null", "/proc/self/"))
    return inside or " = -1 E" in line
