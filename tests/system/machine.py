"""A machine with a real systemd, made from this one: an overlay of `/` booted by systemd-nspawn.

What is written in it stays in a scratch directory and goes with it. Commands run through nsenter
in the namespaces of the container's PID 1. The network is the host's, so that pip and a test's
HTTP client reach what they need.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

from supervised import wait_until

# What the environment of the tests says about registries and certificates is needed inside, too.
_PASSED_ON = tuple("PIP_ SSL_ REQUESTS_ CURL_ HTTP_ HTTPS_ http_ https_ no_ NO_".split())


class Machine:
    """A booted container; use as a context manager."""

    def __init__(self, checkout: Path) -> None:
        self._checkout = checkout
        # Not below /tmp: the container has a /tmp of its own.
        self._scratch = Path(tempfile.mkdtemp(prefix="seacod-machine-", dir="/var/tmp"))
        self.root = self._scratch / "root"
        self._nspawn: subprocess.Popen[bytes] | None = None
        self._pid: int | None = None

    def __enter__(self) -> Machine:
        for name in ("upper", "work", "root"):
            (self._scratch / name).mkdir()
        # A file system of its own for the changes: the upper layer of an overlay must not itself
        # lie on one, as it would where CI runs in a container.
        _call("mount", "-t", "tmpfs", "-o", "size=12g", "tmpfs", str(self._scratch / "upper"))
        for name in ("changes", "work"):
            (self._scratch / "upper" / name).mkdir()
        layers = (
            f"lowerdir=/,upperdir={self._scratch}/upper/changes,workdir={self._scratch}/upper/work"
        )
        _call("mount", "-t", "overlay", "overlay", "-o", layers, str(self.root))
        (self.root / "etc" / "machine-id").write_text("")
        self._quieten()
        # A copy, so that nothing the installer does reaches the checkout.
        target = self.root / "srv" / "seacod"
        shutil.copytree(
            self._checkout, target, symlinks=True,
            ignore=shutil.ignore_patterns(
                ".venv", ".git", "build", "__pycache__", "*.egg-info", "node_modules"
            ),
        )  # fmt: skip
        self.boot()
        return self

    def __exit__(self, *exception: object) -> None:
        self.power_off()
        for mount in (self.root, self._scratch / "upper"):
            subprocess.run(["umount", "-l", str(mount)], check=False, capture_output=True)
        shutil.rmtree(self._scratch, ignore_errors=True)

    def _quieten(self) -> None:
        """Units of the host that make no sense inside and slow the boot."""
        units = self.root / "etc" / "systemd" / "system"
        units.mkdir(parents=True, exist_ok=True)
        for name in (
            "systemd-networkd-wait-online.service", "NetworkManager-wait-online.service",
            "apt-daily.timer", "apt-daily-upgrade.timer", "cups.service", "avahi-daemon.service",
            "ModemManager.service", "systemd-resolved.service", "networking.service",
            "postgresql.service", "redis-server.service", "nginx.service", "memcached.service",
            "docker.service", "ssh.service", "wpa_supplicant.service", "NetworkManager.service",
        ):  # fmt: skip
            link = units / name
            if not link.exists() and not link.is_symlink():
                link.symlink_to("/dev/null")

    # -- power ----------------------------------------------------------------------------------

    def boot(self) -> None:
        """Start systemd and wait until it has started everything."""
        self._nspawn = subprocess.Popen(
            [
                "systemd-nspawn", "-q", "-D", str(self.root), "-b", "--register=no", "--keep-unit",
                "--link-journal=no", "--console=pipe", "--resolv-conf=copy-host",
                "--capability=CAP_NET_ADMIN",
                # Which a machine has, and containers of systemd 252 do not allow.
                "--system-call-filter="
                "landlock_create_ruleset landlock_add_rule landlock_restrict_self",
            ],
            stdin=subprocess.DEVNULL,
            stdout=(self._scratch / "console").open("ab"),
            stderr=subprocess.STDOUT,
        )  # fmt: skip
        self._pid = wait_until(self._find_init, "PID 1 of the container")
        self._wait_until_booted()

    def _wait_until_booted(self) -> None:
        wait_until(
            lambda: (
                self.run("systemctl", "is-system-running", check=False).stdout.strip()
                in ("running", "degraded")
            ),
            f"a finished boot; console:\n{self.console()}",
        )

    def power_off(self) -> None:
        """Stop the container in order, else by force."""
        if self._nspawn is None:
            return
        if self._pid is not None:
            with contextlib.suppress(ProcessLookupError, subprocess.TimeoutExpired):
                # systemd takes this for "halt" (systemd(1), SIGRTMIN+3).
                os.kill(self._pid, 34 + 3)
                self._nspawn.wait(60)
        if self._nspawn.poll() is None:
            self._nspawn.kill()
            self._nspawn.wait()
        self._nspawn, self._pid = None, None

    def reboot(self) -> None:
        """Off and on again: what was not enabled does not come back."""
        self.power_off()
        self.boot()

    def reboot_from_inside(self) -> None:
        """`systemctl reboot`: all is stopped in order. Some versions of nspawn begin again by
        themselves then, others end."""
        assert self._nspawn is not None
        before, nspawn = self._pid, self._nspawn
        self.run("systemctl", "reboot", check=False)

        def is_down() -> bool:
            return nspawn.poll() is not None or self._find_init() not in (before, None)

        wait_until(is_down, "the end of what ran before")
        if nspawn.poll() is None:
            self._pid = self._find_init()
            self._wait_until_booted()
        else:
            self.boot()

    def cut_power(self) -> None:
        """Everything in it ends at once: the kernel takes along what PID 1 leaves behind."""
        assert self._nspawn is not None
        assert self._pid is not None
        os.kill(self._pid, signal.SIGKILL)
        self._nspawn.wait(60)
        self._nspawn, self._pid = None, None

    def _find_init(self) -> int | None:
        assert self._nspawn is not None
        if self._nspawn.poll() is not None:
            raise AssertionError(f"systemd-nspawn ended; console:\n{self.console()}")
        children = Path(f"/proc/{self._nspawn.pid}/task/{self._nspawn.pid}/children").read_text()
        for pid in children.split():
            with contextlib.suppress(OSError):
                if Path(f"/proc/{pid}/comm").read_text().strip() == "systemd":
                    return int(pid)
        return None

    def console(self) -> str:
        file = self._scratch / "console"
        return file.read_text(errors="replace")[-3000:] if file.exists() else ""

    # -- doing things in it -----------------------------------------------------------------------

    def run(
        self, *command: str, check: bool = True, timeout: float = 600, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        """Run a command as root inside; its output is in the result, and in a failure's message."""
        passed = {k: v for k, v in os.environ.items() if k.startswith(_PASSED_ON)}
        result = subprocess.run(
            [
                "nsenter", "-t", str(self._pid), "-m", "-u", "-i", "-n", "-p", "--",
                "/usr/bin/env", "-i", f"PATH={os.environ['PATH']}", "HOME=/root", "LANG=C.UTF-8",
                *(f"{k}={v}" for k, v in {**passed, **environment}.items()), *command,
            ],
            capture_output=True, text=True, check=False, timeout=timeout, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        if check and result.returncode != 0:
            raise AssertionError(
                f"{' '.join(command)}: exit code {result.returncode}\n{result.stdout[-4000:]}\n"
                f"{result.stderr[-4000:]}"
            )
        return result

    def install(
        self, *options: str, check: bool = True, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        """./install.sh of the copied checkout."""
        return self.run(
            "/srv/seacod/install.sh", *options, check=check, timeout=1200, SEACOD_TORCH="cpu",
            **environment,
        )  # fmt: skip

    def journal(self, *options: str) -> str:
        return self.run("journalctl", "-u", "seacod", "--no-pager", "-o", "cat", *options).stdout

    def show(self, name: str, unit: str = "seacod.service") -> str:
        """One property of a unit."""
        return self.run("systemctl", "show", "-P", name, unit).stdout.strip()

    def write(self, path: str, text: str) -> None:
        self.run("sh", "-c", 'cat > "$0" <<"END"\n' + text + "\nEND", path)


def _call(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True, text=True)
