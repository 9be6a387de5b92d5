"""What systemd says of the service; empty where there is no systemd. Only looks."""

from __future__ import annotations

import shutil
import subprocess

UNIT = "seacod.service"
# A command of systemd's that takes longer is not going to answer.
_COMMAND_SECONDS = 20.0


def shown(name: str, unit: str = UNIT) -> str:
    """One property of a unit."""
    return systemctl("show", "-P", name, unit)


def has_started(pid: int) -> bool:
    """Whether this process is the main one of seacod.service."""
    return shown("MainPID") == str(pid)


def is_enabled(unit: str) -> bool:
    """Whether a unit is started at boot."""
    return systemctl("is-enabled", unit) == "enabled"


def systemctl(*arguments: str) -> str:
    """What systemctl prints."""
    return output("systemctl", *arguments)[1]


def output(*command: str) -> tuple[int, str]:
    """Exit code and output of a command that only looks; -1 when it is not there or hangs."""
    if shutil.which(command[0]) is None:
        return -1, ""
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=_COMMAND_SECONDS,
            stdin=subprocess.DEVNULL,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return -1, ""
    return done.returncode, (done.stdout or done.stderr).strip()
