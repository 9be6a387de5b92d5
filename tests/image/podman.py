"""podman with a store of its own, and a base image made of Debian's packages: none can be pulled
where the tests run.

What this machine need not have (cgroups of version 2 alone, a network of containers, overlays on
overlays, higher limits) is not asked for.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

# Debian's name of what the base is made of.
SUITE = "bookworm"
BASE = "localhost/base"
_AUTHORITIES = "/srv/authorities.pem"


def obstacle() -> str | None:
    """Why there can be no container here."""
    if os.geteuid() != 0:
        return "containers need root here: sudo ./tests/run tests/image"
    for program in ("podman", "runc", "mmdebstrap"):
        if shutil.which(program) is None:
            return f"{program} is missing: apt-get install podman runc mmdebstrap"
    return None


class Podman:
    """
    Args:
        directory: for images and containers; on a disk, since they are big.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        # Layers of files lie on each other where the kernel lets them.
        self._driver = "overlay" if _can_overlay(directory) else "vfs"

    def __call__(
        self, *arguments: str | Path, check: bool = True, timeout: float = 300
    ) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            ["podman", "--runtime", "runc", "--root", f"{self._directory}/store",
             "--runroot", f"{self._directory}/run", "--tmpdir", f"{self._directory}/tmp",
             "--storage-driver", self._driver, "--cgroup-manager", "cgroupfs",
             "--events-backend", "none", *map(str, arguments)],
            capture_output=True, text=True, check=False, timeout=timeout, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        if check and done.returncode != 0:
            said = done.stdout[-3000:] + done.stderr[-3000:]
            raise AssertionError(f"podman {' '.join(map(str, arguments))}: {said}")
        return done

    def make_base(self) -> None:
        """What `debian:bookworm-slim` is: Debian's packages and nothing else."""
        archive = self._directory / "base.tar"
        subprocess.run(
            ["mmdebstrap", "--quiet", "--variant=minbase", "--mode=root",
             "--dpkgopt=force-unsafe-io", SUITE, archive],
            check=True, capture_output=True, timeout=600,
        )  # fmt: skip
        self("import", archive, BASE)
        archive.unlink()

    def build(self, checkout: Path, tag: str) -> str:
        """The Containerfile of a checkout, with what pip is told on this machine."""
        return self(
            # One layer at the end: each is a gigabyte to be read, packed and hashed.
            "build", "--layers=false", "--isolation=chroot", "--network=host",
            "--build-arg", f"BASE={BASE}",
            # Python compiles what is used: a small part of what is installed.
            "--env", "PIP_NO_COMPILE=1",
            *_what_pip_is_told(self._directory), "-t", tag, checkout, timeout=1200,
        ).stdout  # fmt: skip

    def run(self, name: str, *arguments: str) -> None:
        """Start a container as the document says, in this machine's network and limits."""
        self(
            "run", "-d", "--name", name, "--read-only", "--cap-drop=all",
            "--security-opt=no-new-privileges", "--network=host", "--log-driver=k8s-file",
            "--ulimit=nofile=16384:16384", "--ulimit=nproc=4096:4096", *arguments,
        )  # fmt: skip

    def close(self) -> None:
        self("rm", "--all", "--force", "--time=0", check=False)
        self("rmi", "--all", "--force", check=False)
        # The store is a mount of its own.
        for place in (f"{self._directory}/store/{self._driver}", f"{self._directory}/store"):
            subprocess.run(["umount", "-l", place], check=False, capture_output=True)


def _can_overlay(directory: Path) -> bool:
    made = directory / "try"
    parts = [made / name for name in ("lower", "upper", "work", "root")]
    for part in parts:
        part.mkdir(parents=True, exist_ok=True)
    lower, upper, work, root = parts
    options = f"lowerdir={lower},upperdir={upper},workdir={work}"
    done = subprocess.run(
        ["mount", "-t", "overlay", "overlay", "-o", options, root], check=False, capture_output=True
    )  # fmt: skip
    if done.returncode == 0:
        subprocess.run(["umount", root], check=True)
    shutil.rmtree(made)
    return done.returncode == 0


def _what_pip_is_told(directory: Path) -> Iterator[str]:
    """Mirrors, certificates and directories of this machine, as options of a build."""
    told = subprocess.run(
        [sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True, check=True
    ).stdout
    lines, places = [], set()
    for line in told.splitlines():
        key, _, value = line.partition("=")
        name, value = key.rpartition(".")[2], value.strip("'\"")
        if name == "cert":
            yield from ("--volume", f"{value}:{_AUTHORITIES}:ro")
            value = _AUTHORITIES
        # An index of files links to what lies beside it.
        places |= {
            str(Path(word.removeprefix("file://")).parent) if word.startswith("file://") else word
            for word in value.split()
            if word.startswith(("file:///", "/")) and word != _AUTHORITIES
        }
        lines.append(f"{name} = {value}")
    settings = directory / "pip.conf"
    settings.write_text("\n".join(["[global]", *dict.fromkeys(lines), ""]))
    yield from ("--volume", f"{settings}:/etc/pip.conf:ro")
    for place in sorted(places):
        if Path(place).exists():
            yield from ("--volume", f"{place}:{place}:ro")
    # What was fetched for this machine need not be fetched again.
    cache = Path(os.environ.get("UV_CACHE_DIR", Path.home() / ".cache/uv"))
    if cache.is_dir():
        yield from ("--volume", f"{cache}:/root/.cache/uv")
