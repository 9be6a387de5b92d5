"""A process held by its pidfd: a signal through it can never hit another one that has got the same
number. Called by whoever signals a process that somebody has told of; ended by nobody here.
"""

from __future__ import annotations

import os
import select
import signal
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Facts:
    """What the kernel says of a process.

    Args:
        user: its effective user id.
        parent: process id of its parent.
    """

    user: int
    parent: int


class ProcessHandle:
    """A process for the time of a block.

    Args:
        pid: its number at this moment.

    Raises:
        ProcessLookupError: there is none.
    """

    def __init__(self, pid: int) -> None:
        if pid <= 0:  # to the kernel a group, or everybody
            raise ProcessLookupError(f"there is no process {pid}")
        self.pid = pid
        self._pidfd = os.pidfd_open(pid)

    def __enter__(self) -> ProcessHandle:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._pidfd)

    @property
    def is_alive(self) -> bool:
        """Whether it has not ended."""
        poll = select.poll()
        poll.register(self._pidfd, select.POLLIN)
        return not poll.poll(0)

    def facts(self) -> Facts:
        """Whose it is, and whose child.

        Raises:
            ProcessLookupError: it has ended.
        """
        try:
            lines = Path(f"/proc/{self.pid}/status").read_text().splitlines()
        except OSError:
            raise ProcessLookupError(f"process {self.pid} has ended") from None
        told = {name: value.split() for name, _, value in (line.partition(":") for line in lines)}
        # Read before: now that it is known to live, that was it.
        if not self.is_alive:
            raise ProcessLookupError(f"process {self.pid} has ended")
        return Facts(user=int(told["Uid"][1]), parent=int(told["PPid"][0]))

    def send(self, number: signal.Signals) -> None:
        """Send it a signal.

        Raises:
            ProcessLookupError: it has ended.
            PermissionError: this user may not.
        """
        signal.pidfd_send_signal(self._pidfd, number)
