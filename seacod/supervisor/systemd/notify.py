"""What the supervisor tells systemd (sd_notify(3)); without systemd it tells nobody.

A facade over sdnotify: the rest of the supervisor never asks whether systemd is there. And never
waits for it: while systemd reads nothing (it executes itself anew, its machine swaps), what it is
to hear waits here.
"""

from __future__ import annotations

import os
import socket
import time
from dataclasses import dataclass

import sdnotify

# So few messages fit into systemd's socket that it may well be full (net.unix.max_dgram_qlen: 10).
_MOST_WAITING = 64
# What the last words before an exit wait for a systemd that reads nothing.
_LAST_WORDS_SECONDS = 1.0
# Of these only the newest counts.
_REPLACED = ("WATCHDOG=", "STATUS=", "EXTEND_TIMEOUT_USEC=")


@dataclass(frozen=True, slots=True)
class _Notification:
    """What is told at once, with a socket that goes along."""

    text: str
    socket: socket.socket | None = None


class Notifier:
    """Sends state changes; a text that has not changed is not sent again.

    Args:
        keep: leave the variables to a later notifier; otherwise they are used up.
    """

    def __init__(self, *, keep: bool = False) -> None:
        self._systemd = _connected()
        self._waiting: list[_Notification] = []
        self._status = ""
        # When systemd was last told that we live; None without a watchdog.
        self.watchdog_at: float | None = None
        self.watchdog_seconds = _watchdog_seconds()
        self.is_ready = False
        if keep:
            return
        # Children must not speak for us.
        for name in ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"):
            os.environ.pop(name, None)

    @property
    def is_there(self) -> bool:
        """Whether there is a systemd that hears us."""
        return self._systemd is not None

    def keep(self, name: str, kept: socket.socket) -> None:
        """Put a socket into the unit's file descriptor store: the next life of the service gets it
        under this name, which has no colon. systemd lets go of it when the unit is stopped."""
        self._send(f"FDSTORE=1\nFDNAME={name}", kept)

    def forget(self, name: str) -> None:
        """Take what has this name out of the store."""
        self._send(f"FDSTOREREMOVE=1\nFDNAME={name}")

    def ready(self) -> None:
        """The model answers: `systemctl start` returns."""
        self.is_ready = True
        self._send("READY=1")

    def status(self, text: str) -> None:
        """The line that `systemctl status` shows."""
        if text != self._status:
            self._status = text
            self._send(f"STATUS={text}")

    def extend_start(self, seconds: float) -> None:
        """Starting takes this much longer from now; systemd's start time-out moves along."""
        self._send(f"EXTEND_TIMEOUT_USEC={int(seconds * 1_000_000)}")

    def watchdog(self) -> None:
        """Alive; to be called only by who has just made sure of it."""
        if self.watchdog_seconds is not None:
            self.watchdog_at = time.monotonic()
        self._send("WATCHDOG=1")

    def reloading(self) -> None:
        """A reload begins; `reloaded` ends it. The time is what Type=notify-reload asks for.
        Nothing is told before the first answer: the end would be a false READY=1."""
        if not self.is_ready:
            return
        now = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        self._send(f"RELOADING=1\nMONOTONIC_USEC={now}")

    def reloaded(self) -> None:
        """A reload has ended, whatever came of it."""
        if self.is_ready:
            self._send("READY=1")

    def stopping(self) -> None:
        self._send("STOPPING=1")

    def failed(self, exit_code: int, text: str, error_number: int | None = None) -> None:
        """The last word before an exit that is a failure.

        Args:
            exit_code: what we are about to exit with.
            text: why, in a sentence.
            error_number: the system's error (errno(3)), where there is one.
        """
        lines = [f"STATUS={text.splitlines()[0] if text else ''}", f"EXIT_STATUS={exit_code}"]
        if error_number is not None:
            lines.append(f"ERRNO={error_number}")
        if self._systemd is not None:
            self._systemd.socket.settimeout(_LAST_WORDS_SECONDS)
        self._send("\n".join(lines))

    def _send(self, state: str, with_socket: socket.socket | None = None) -> None:
        if self._systemd is None:
            return
        kind = state.partition("=")[0] + "="
        if kind in _REPLACED and "\n" not in state:
            self._waiting = [one for one in self._waiting if not one.text.startswith(kind)]
        self._waiting = [*self._waiting, _Notification(state, with_socket)][-_MOST_WAITING:]
        while self._waiting:
            try:
                message = self._waiting[0]
                # Past sdnotify, which writes Latin-1 and sends no sockets.
                along = [message.socket.fileno()] if message.socket is not None else []
                socket.send_fds(self._systemd.socket, [message.text.encode()], along)
            except (BlockingIOError, TimeoutError):
                return
            except OSError:
                # Nobody is there: nobody misses it.
                self._waiting.clear()
                return
            del self._waiting[0]


def _connected() -> sdnotify.SystemdNotifier | None:
    """None where there is no systemd, or none that we reach."""
    if not os.environ.get("NOTIFY_SOCKET"):
        return None
    try:
        # So it raises what it would pass over in silence.
        systemd = sdnotify.SystemdNotifier(debug=True)
    except OSError:
        return None
    systemd.socket.setblocking(False)
    return systemd


def _watchdog_seconds() -> float | None:
    """How often systemd wants to hear from this very process (sd_watchdog_enabled(3))."""
    microseconds = os.environ.get("WATCHDOG_USEC", "")
    pid = os.environ.get("WATCHDOG_PID", "")
    if not microseconds.isdigit() or (pid and pid != str(os.getpid())):
        return None
    return int(microseconds) / 1_000_000
