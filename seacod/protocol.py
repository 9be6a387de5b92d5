"""The control channel: messages between the supervisor and its worker.

A socketpair inherited by the worker, one JSON object a line, `type` names the message. Both
sides use these classes and nothing else; a line that is no message raises `ProtocolError` and
is the sender's fault. No I/O here.
"""

from __future__ import annotations

import dataclasses
import json
import re
import types
import typing
from dataclasses import dataclass, field
from typing import Any, ClassVar, Union

from seacod.errors import ProtocolError

# A line longer than this is no message of ours; it bounds what a broken worker makes us hold.
MAX_LINE_BYTES = 64 * 1024

# Environment through which the supervisor hands things to a nursery. Forked workers get theirs with
# the request (`Fork`).
ENV_NURSERY_FD = "SEACOD_INTERNAL_NURSERY_FD"
ENV_SUPERVISOR_PID = "SEACOD_INTERNAL_SUPERVISOR_PID"
ENV_SETTINGS = "SEACOD_INTERNAL_SETTINGS"
# Set for a nursery that loads nothing: each worker does.
ENV_COLD = "SEACOD_INTERNAL_COLD"


class _TypedMessage:
    """A message; its `type` is the name of its class, without `Message` at its end."""

    __slots__ = ()
    TYPE: ClassVar[str]

    def __init_subclass__(cls) -> None:
        cls.TYPE = re.sub(r"\B(?=[A-Z])", "_", cls.__name__.removesuffix("Message")).lower()


# -- worker to supervisor ---------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Stage(_TypedMessage):
    """What a starting worker is busy with, in words of both languages.

    `extend_seconds`: how much longer the start may take from now; 0 leaves the time-out alone.
    A model download sends one of these every few seconds.
    """

    text: str
    chinese: str
    extend_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Ready(_TypedMessage):
    """The model has transcribed its warm-up recording where it works; `serve` may come."""

    model: str
    device: str
    load_seconds: float


@dataclass(frozen=True, slots=True)
class Beat(_TypedMessage):
    """Sent every second by the worker's event loop.

    `progress_age_seconds`: time since the engine last finished a piece of work (0 when idle).
    `answered`, `failed`: requests since the start that got a text, or failed on our side.
    `gpu_reserved_bytes`: what PyTorch holds on the GPU, cache included.
    `running`: the recording the model is at, in words.
    `is_crowded`: somebody could not be let in lately, for want of connections or descriptors.
    `wrong_logins`: wrong passwords since the start, and tries that were refused after them.
    """

    in_flight: int
    queue_depth: int
    oldest_seconds: float
    progress_age_seconds: float
    answered: int = 0
    failed: int = 0
    gpu_reserved_bytes: int = 0
    running: str = ""
    is_crowded: bool = False
    wrong_logins: int = 0


@dataclass(frozen=True, slots=True)
class Fault(_TypedMessage):
    """Something the operator should know; the worker goes on or exits by itself.

    `kind`: config, model, out_of_memory, canary, jobs, jobs_place, jobs_lost. `exit_code` is what
    the worker will exit with, or None when it goes on. `chinese`: the message again; empty for the
    same. `is_over`: what it had told, or the worker before it, is no more.
    """

    kind: str
    message: str
    exit_code: int | None = None
    chinese: str = ""
    is_over: bool = False


@dataclass(frozen=True, slots=True)
class Drained(_TypedMessage):
    """No request is left in the worker; it exits now."""

    finished: int
    abandoned: int


@dataclass(frozen=True, slots=True)
class Acquitted(_TypedMessage):
    """A suspect recording was heard to its end, alone with the model.

    `digest`: SHA-256 of its content, in hexadecimal digits.
    """

    digest: str


# -- supervisor to worker ---------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Serve(_TypedMessage):
    """Start accepting on the inherited socket; the supervisor has stopped to.

    `blamed_pids`: workers before this one that ended by their own fault, newest last. What they
    were working on is suspect.
    """

    blamed_pids: list[int] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class DrainMessage(_TypedMessage):
    """Accept nothing more, finish what runs within `timeout_seconds`, then exit with 0."""

    timeout_seconds: float


@dataclass(frozen=True, slots=True)
class Blame(_TypedMessage):
    """Another worker of this service has just ended by its own fault: what it was working on is
    suspect."""

    pid: int


@dataclass(frozen=True, slots=True)
class SuspectsMessage(_TypedMessage):
    """All recordings that were with the model when workers ended by their own fault: by the digest
    of their content, at how many ends."""

    ends: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PausedMessage(_TypedMessage):
    """Take nothing new (`is_on`), for a reason that clients are told, or again as ever; finish what
    runs. `since`: Unix seconds."""

    is_on: bool
    reason: str = ""
    since: float = 0.0
    retry_after_seconds: int = 0


@dataclass(frozen=True, slots=True)
class Retire(_TypedMessage):
    """Say at /health/ready that no more should come, and go on serving."""


@dataclass(frozen=True, slots=True)
class ReleaseGpuCache(_TypedMessage):
    """Give cached GPU memory back to the device."""


@dataclass(frozen=True, slots=True)
class ReopenLogs(_TypedMessage):
    """logrotate has moved the log file away; go on in a new one."""


@dataclass(frozen=True, slots=True)
class Reload(_TypedMessage):
    """New settings that can be applied without a restart (dotted key → value)."""

    changes: dict[str, Any] = field(default_factory=dict)


# -- between supervisor and nursery: a message a packet, on a channel of its own ---------------


@dataclass(frozen=True, slots=True)
class Fork(_TypedMessage):
    """To the nursery: a worker is wanted. With it come descriptors: the worker's end of the control
    channel, what it prints to, and the listening sockets.

    `settings`: as JSON. `slot`: under which name it writes its metrics
    (`seacod/metrics/files.py`) and its place on the shared load table (`seacod/shared_load.py`).
    `replicas`: how many workers share the listening sockets. `funasr`: how many of these, the last
    ones, are of FunASR's protocol.
    """

    settings: str
    slot: str
    replicas: int
    funasr: int = 0
    environment: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Check(_TypedMessage):
    """To the nursery: could a worker be forked now? `LoadedMessage` or `RefusedMessage` answers."""


@dataclass(frozen=True, slots=True)
class LoadedMessage(_TypedMessage):
    """From the nursery: everything is imported and mapped; workers can be forked."""


@dataclass(frozen=True, slots=True)
class ForkedMessage(_TypedMessage):
    """From the nursery: the worker has this pid, and is the supervisor's child."""

    pid: int


@dataclass(frozen=True, slots=True)
class WaitingMessage(_TypedMessage):
    """From the nursery: this worker is forked, and waits to be wanted; 0: the one that did has
    ended. No answer to anything."""

    pid: int


@dataclass(frozen=True, slots=True)
class RefusedMessage(_TypedMessage):
    """From the nursery: no worker can be forked here any more, and why."""

    cause: str


FromWorker = Union[Stage, Ready, Beat, Fault, Drained, Acquitted]
FromSupervisor = Union[
    Serve,
    Blame,
    SuspectsMessage,
    PausedMessage,
    Retire,
    DrainMessage,
    ReleaseGpuCache,
    ReopenLogs,
    Reload,
]
FromNursery = Union[Stage, Fault, LoadedMessage, ForkedMessage, WaitingMessage, RefusedMessage]
ToNursery = Union[Fork, Check, ReopenLogs]
Message = Union[FromWorker, FromSupervisor, FromNursery, ToNursery]

_BY_TYPE: dict[str, type[Any]] = {cls.TYPE: cls for cls in typing.get_args(Message)}


def encode(message: Message) -> bytes:
    """One line, newline included."""
    body = {"type": message.TYPE, **dataclasses.asdict(message)}
    line = json.dumps(body, ensure_ascii=False, separators=(",", ":"))
    # Names are whole where they come in; a beat that could not be written would look like a hang.
    return line.encode("utf-8", "replace") + b"\n"


def decode(line: bytes) -> Message:
    """The message in one line.

    Raises:
        ProtocolError: not JSON, no known type, a field missing, unknown or of the wrong type.
    """
    if len(line) > MAX_LINE_BYTES:
        raise ProtocolError(
            f"control channel: a line of {len(line)} bytes; {MAX_LINE_BYTES} is the limit"
        )
    try:
        body = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise ProtocolError(f"control channel: not JSON: {line[:80]!r}") from error
    kind = body.pop("type", None) if isinstance(body, dict) else None
    cls = _BY_TYPE.get(kind) if isinstance(kind, str) else None
    if cls is None:
        raise ProtocolError(f"control channel: no known message: {line[:80]!r}")
    hints = typing.get_type_hints(cls)
    fields = {f.name: f for f in dataclasses.fields(cls)}
    for name, value in body.items():
        if name not in fields:
            raise ProtocolError(f"control channel: {cls.TYPE} has no field {name!r}")
        if not _fits(value, hints[name]):
            raise ProtocolError(f"control channel: {cls.TYPE}.{name} cannot be {value!r:.80}")
    try:
        return typing.cast(Message, cls(**body))
    except TypeError as error:
        raise ProtocolError(f"control channel: {cls.TYPE} lacks a field: {line[:80]!r}") from error


def _fits(value: object, hint: Any) -> bool:
    """Whether a JSON value can stand for a field of type `hint`."""
    if hint is float:
        return isinstance(value, (int, float)) and not isinstance(value, bool)
    if hint is int:
        return isinstance(value, int) and not isinstance(value, bool)
    if typing.get_origin(hint) in (Union, types.UnionType):
        return any(_fits(value, part) for part in typing.get_args(hint))
    if typing.get_origin(hint) is dict:
        return isinstance(value, dict)
    if typing.get_origin(hint) is list:
        (item,) = typing.get_args(hint)
        return isinstance(value, list) and all(_fits(one, item) for one in value)
    return isinstance(value, hint)
