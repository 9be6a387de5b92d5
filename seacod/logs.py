"""structlog set up once per process: to the journal with its fields and priorities, to a terminal
as readable lines, or as JSON lines; and to a file besides, if one is configured.

Called by `main.py` (supervisor, commands) and the worker's entry. Event names are verbs in the
past (`worker_exited`); the facts are fields. No secret may be given to a logger; one that comes
along in the words of somebody else is masked (`system/text/masking.py`).
"""

from __future__ import annotations

import collections
import contextlib
import datetime
import json
import logging
import os
import socket
import struct
import sys
from collections.abc import Callable
from typing import Any, Literal

import structlog
from structlog.typing import EventDict

from seacod.config.log import LogSettings
from seacod.system.files.append_file import AppendFile
from seacod.system.text.masking import masked_deep

Component = Literal["supervisor", "worker", "client"]

# syslog(3) priorities by structlog's level names.
_PRIORITY = {"critical": 2, "error": 3, "warning": 4, "info": 6, "debug": 7}
_JOURNAL_SOCKET = "/run/systemd/journal/socket"
_PATIENCE_SECONDS = 0.2

# The worker's stderr is a pipe to the supervisor, so it is told what `auto` means.
ENV_FORMAT = "SEACOD_INTERNAL_LOG_FORMAT"


class JournalSink:
    """journald's native protocol: every field of an event becomes a field of the journal.

    https://systemd.io/JOURNAL_NATIVE_PROTOCOL/
    """

    def __init__(self, component: Component) -> None:
        self._component = component
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
        self._is_stalled = False

    def send(self, level: str, message: str, fields: dict[str, Any]) -> None:
        """Hand one event over.

        Raises:
            TimeoutError, BlockingIOError: journald stands still.
            OSError: it is not there or does not accept it.
        """
        entry = {
            "MESSAGE": message,
            "PRIORITY": str(_PRIORITY.get(level, 6)),
            "SYSLOG_IDENTIFIER": "seacod",
            "SEACOD_COMPONENT": self._component,
        }
        for key, value in fields.items():
            entry[f"SEACOD_{_field_name(key)}"] = value if isinstance(value, str) else _json(value)
        # Many at once may be more than it takes in a moment; but where it stands still, event loops
        # wait for it once, not for each line.
        self._socket.settimeout(0.0 if self._is_stalled else _PATIENCE_SECONDS)
        try:
            self._socket.sendto(b"".join(map(_journal_field, entry.items())), _JOURNAL_SOCKET)
        except (TimeoutError, BlockingIOError):
            self._is_stalled = True
            raise
        self._is_stalled = False


class _LogOutput:
    """The last processor: renders an event and writes it where it belongs. What cannot be written
    there is lost, counted and told; nothing else comes of it."""

    def __init__(self, format_: str, component: Component, file: AppendFile | None) -> None:
        self._lost = {"file": _LostLines(), "stderr": _LostLines()}
        self._component = component
        self._journal = JournalSink(component) if format_ == "journal" else None
        self._console = (
            structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), pad_event_to=24)
            if format_ == "console"
            else None
        )
        self.file = file

    def __call__(self, logger: Any, name: str, event: EventDict) -> str:
        level = str(event.get("level", name))
        _recent.append(f"{str(event.get('timestamp', ''))[:19]} {level} {_message(event)}"[:2000])
        if self.file is not None:
            write = self.file.write
            self._give("file", lambda one: write(_json(one)), event)
        self._give("stderr", lambda one: self._show(logger, name, level, one), event)
        raise structlog.DropEvent

    def _give(self, where: str, write: Callable[[EventDict], None], event: EventDict) -> None:
        """Write the event's line there, after the news of what was lost before it."""
        lost = self._lost[where]
        try:
            if lost.count:
                write({**self._notice("log_lines_lost"), "where": where, **lost.told()})
            write(event)
        except (OSError, ValueError) as error:  # ValueError: it was closed
            is_first = not lost.count
            lost.add(error)
            if is_first and where == "file":
                self._tell_stderr(error)
        else:
            lost.clear()

    def _notice(self, event: str) -> dict[str, Any]:
        at = datetime.datetime.now().isoformat()
        return {"event": event, "level": "warning", "component": self._component, "timestamp": at}

    def _tell_stderr(self, error: Exception) -> None:
        event = {
            **self._notice("log_file_not_written"),
            "file": str(self.file.path) if self.file is not None else "",
            "cause": str(getattr(error, "strerror", None) or error),
        }
        with contextlib.suppress(OSError, ValueError):
            self._show(None, "", "warning", event)

    def _show(self, logger: Any, name: str, level: str, event: EventDict) -> None:
        if self._journal is not None:
            fields = {k: v for k, v in event.items() if k not in ("timestamp", "level")}
            try:
                self._journal.send(level, _message(event), fields)
            except (TimeoutError, BlockingIOError):
                # Behind stderr is the same journald, and writing there waits for ever.
                raise
            except OSError:
                # Below journald the same stderr line, with the priority systemd understands.
                _to_stderr(f"<{_PRIORITY.get(level, 6)}>{_message(event)}")
        elif self._console is not None:
            _to_stderr(str(self._console(logger, name, event)))
        else:
            _to_stderr(_json(event))


def _to_stderr(line: str) -> None:
    """The line and its end in one write: two threads would put one line into the other."""
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


class _LostLines:
    """Lines that could not be written to one place."""

    def __init__(self) -> None:
        self.clear()

    def add(self, error: Exception) -> None:
        self.count += 1
        self._cause = str(getattr(error, "strerror", None) or error)

    def told(self) -> dict[str, Any]:
        return {"lines": self.count, "cause": self._cause}

    def clear(self) -> None:
        self.count, self._cause = 0, ""


_output: _LogOutput | None = None
# What every event of this process has besides.
_identity: dict[str, str | int] = {}
# The newest lines of this process, for the evidence of an alert.
_recent: collections.deque[str] = collections.deque(maxlen=100)


def configure(settings: LogSettings, component: Component) -> None:
    """Set up logging for this process, replacing what was set up before.

    Args:
        settings: level, format and file.
        component: which process this is; a field of every event.
    """
    global _output
    format_ = resolve_format(settings.format)
    level = getattr(logging, settings.level.upper())
    file = AppendFile(settings.file) if settings.file else None
    if _output is not None and _output.file is not None:
        _output.file.close()
    _output = _LogOutput(format_, component, file)
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            _component_adder(component),
            structlog.processors.TimeStamper(fmt="iso", utc=False),
            structlog.processors.format_exc_info,
            _mask,
            _output,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        cache_logger_on_first_use=False,
    )
    # Libraries speak through the standard library's logging; their warnings are worth a line.
    root = logging.getLogger()
    root.handlers = [_Bridge()]
    root.setLevel(max(level, logging.WARNING))
    logging.captureWarnings(True)


def reopen() -> None:
    """Open the log file anew; nothing to do where there is none."""
    if _output is not None and _output.file is not None:
        _output.file.reopen()


def recent(count: int) -> list[str]:
    """The newest lines this process has logged, oldest first."""
    return list(_recent)[-count:]


def flush() -> None:
    """Write out what is buffered, before an exit that runs no clean-up."""
    with contextlib.suppress(OSError, ValueError):
        sys.stdout.flush()
    with contextlib.suppress(OSError, ValueError):
        sys.stderr.flush()


def resolve_format(configured: str) -> str:
    """The format that `auto` means here: journal, console or json."""
    if configured != "auto":
        return configured
    told = os.environ.get(ENV_FORMAT)
    if told:
        return told
    if _stderr_is_journal():
        return "journal"
    return "console" if sys.stderr.isatty() else "json"


class _Bridge(logging.Handler):
    """Standard-library records as events, so that every line has the same form."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            log = structlog.get_logger(record.name)
            log.log(
                record.levelno,
                "library_warned",
                library=record.name,
                text=record.getMessage(),
                exc_info=record.exc_info or None,
            )
        except Exception:
            self.handleError(record)


def _mask(logger: Any, name: str, event: EventDict) -> EventDict:
    return {key: masked_deep(value) for key, value in event.items()}


def identify(**fields: str | int) -> None:
    """Have each line of this process say who it is from: one of several workers, and which process.

    Args:
        fields: of every event from now on; an event's own fields come before them.
    """
    _identity.clear()
    _identity.update(fields)


def _component_adder(component: Component) -> structlog.typing.Processor:
    def add(logger: Any, name: str, event: EventDict) -> EventDict:
        event.setdefault("component", component)
        for key, value in _identity.items():
            event.setdefault(key, value)
        return event

    return add


def _stderr_is_journal() -> bool:
    """JOURNAL_STREAM names the device and inode of a stderr that systemd tied to the journal."""
    stream = os.environ.get("JOURNAL_STREAM", "")
    try:
        device, inode = map(int, stream.split(":"))
        status = os.fstat(2)
    except (ValueError, OSError):
        return False
    return (status.st_dev, status.st_ino) == (device, inode)


def _message(event: EventDict) -> str:
    """One readable line: the event, then its facts."""
    # What a worker printed last stands above, line by line. Whoever asks for a field gets it.
    skip = ("event", "level", "timestamp", "exception", "component", "last_lines", "said_zh")
    facts = " ".join(
        f"{key}={value if isinstance(value, (int, str)) else _json(value)}"
        for key, value in event.items()
        if key not in skip
    )
    line = f"{event.get('event', '')} {facts}".strip()
    return f"{line}\n{event['exception']}" if event.get("exception") else line


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)


def _field_name(key: str) -> str:
    """Journal field names are A-Z, 0-9 and underscore, 64 characters at most."""
    name = "".join(c if c.isascii() and c.isalnum() else "_" for c in key).upper()
    return name[:56]


def _journal_field(item: tuple[str, Any]) -> bytes:
    name, value = item[0].encode(), str(item[1]).encode("utf-8", "replace")
    if b"\n" not in value:
        return name + b"=" + value + b"\n"
    return name + b"\n" + struct.pack("<Q", len(value)) + value + b"\n"
