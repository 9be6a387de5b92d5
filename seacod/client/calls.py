"""The requests of the API and how their answers are read, whichever client sends them. Nothing is
sent here."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Generic, TypedDict, TypeVar

from seacod.client.answers import Job, Progress, System, Written, read, read_job, read_system
from seacod.client.failures import BrokenOff, NoSeacod, Unreachable, refusal
from seacod.errors import BadRequest
from seacod.formats import full_json
from seacod.system.net.listen_address import check_port
from seacod.system.text.words import reason
from seacod.transcript import Transcript

T = TypeVar("T")
Tell = Callable[[Progress], None]
# What the address of a unix socket begins with.
UNIX = "unix:"


@dataclass(frozen=True, slots=True)
class FromUrl:
    """A recording that the service fetches itself, from a host that its operator allows."""

    url: str


# A file, a name and a content, or where the service finds it.
Recording = str | Path | tuple[str, bytes | IO[bytes]] | FromUrl


class SoundFields(TypedDict, total=False):
    """What somebody wants of a recording; what is left out or empty is the service's choice.

    Args:
        hotwords: words separated by blanks or commas.
        speakers: who speaks: "true", a number of speakers, or a range such as "2-4".
        track: which audio track, from "1", or "all"; empty for the one a player would take.
        channels: "mix", "split" (each by itself), or "auto", which empty means.
    """

    hotwords: str
    speakers: str
    track: str
    channels: str


class FormatFields(SoundFields, total=False):
    """What may be said about a recording, and about its texts.

    Args:
        max_line_characters: of a subtitle; without it 20 Chinese or 42 Latin ones.
        max_cue_seconds: how long a subtitle is shown; without it 7.
        show_warnings: whether a text begins with them.
    """

    max_line_characters: int | None
    max_cue_seconds: float | None
    show_warnings: bool | None


def form_fields(chosen: Mapping[str, object]) -> dict[str, str]:
    """The fields of a form; what was not chosen is left out."""
    return {name: str(value) for name, value in chosen.items() if value not in (None, "")}


@dataclass(frozen=True, slots=True)
class Call(Generic[T]):
    """One request.

    Args:
        method, path: of HTTP.
        read: makes an answer of a body; called through `understood`.
        files, fields: the form; files with the field of each.
        headers: besides the usual ones.
        tell: makes it a stream of events, and is told what happens.
        is_repeatable: whether it may be sent again after it broke off.
    """

    method: str
    path: str
    read: Callable[[bytes], T]
    files: Sequence[tuple[str, Recording]] = ()
    fields: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    tell: Tell | None = None
    is_repeatable: bool = True

    def form(self, stack: contextlib.ExitStack) -> dict[str, Any]:
        """The form as httpx takes it; its files are closed with the stack."""
        files: list[Any] = []
        for name, one in self.files:
            if isinstance(one, FromUrl):
                # A field among the files, so that the form is one of parts though it has none.
                files.append(("url", (None, one.url)))
            elif isinstance(one, tuple):
                files.append((name, one))
            else:
                path = Path(one)
                # A name need not be UTF-8 on the disk, but has to be in a form.
                shown = os.fsencode(path.name).decode("utf-8", "replace")
                files.append((name, (shown, stack.enter_context(path.open("rb")))))
        return {"data": dict(self.fields), "files": files} if files else {}


def transcription(
    recording: Recording, fields: Mapping[str, str], tell: Tell | None
) -> Call[Transcript]:
    """The text of a recording, with everything there is about it."""
    return _transcribe(recording, "json", fields, tell, lambda body: full_json.read(_json(body)))


def written(
    recording: Recording, wanted: str, fields: Mapping[str, str], tell: Tell | None
) -> Call[Written]:
    """A recording in a format."""

    def read(body: bytes) -> Written:
        done = _json(body)
        done.pop("request_id", None)
        warnings = full_json.read_warnings({"warnings": [], **done})
        # Texts and files come in a field, JSON is the answer itself.
        if "body_base64" in done:
            return Written(base64.b64decode(done["body_base64"]), warnings)
        if "body" in done:
            return Written(str(done["body"]).encode(), warnings)
        text = json.dumps(done, ensure_ascii=False, indent=1) + "\n"
        return Written(text.encode(), warnings)

    return _transcribe(recording, wanted, fields, tell, read)


def _transcribe(
    recording: Recording,
    wanted: str,
    fields: Mapping[str, str],
    tell: Tell | None,
    made: Callable[[bytes], T],
) -> Call[T]:
    # Always as a stream: a service that works says so every 15 s, one that hangs does not.
    path = f"/transcribe?stream=true&format={wanted}"
    files = [("file", recording)]
    return Call("POST", path, made, files, fields, tell=tell or (lambda progress: None))


def submission(
    recordings: Sequence[Recording], fields: Mapping[str, str], key: str, callback_url: str
) -> Call[str]:
    """A batch. Whether one that broke off was accepted nobody knows; sent again under the same key,
    it is the same job."""
    files = [("files", one) for one in recordings]
    told = {"callback_url": callback_url} if callback_url else {}
    return Call(
        "POST", "/batch_transcribe", lambda body: str(_json(body)["job"]), files,
        {**fields, **told}, {"Idempotency-Key": key or secrets.token_hex(16)},
    )  # fmt: skip


def job(method: str, number: str, action: str = "") -> Call[Job]:
    """Something done to a batch, and how far it is."""
    return Call(method, f"/jobs/{number}{action}", lambda body: read_job(_json(body)))


def deleted(number: str) -> Call[None]:
    """A batch that is over goes."""
    return Call("DELETE", f"/jobs/{number}", lambda body: None)


def results(number: str) -> Call[bytes]:
    """What of a batch is finished."""
    return content(f"/jobs/{number}/results")


def system() -> Call[System]:
    """The service at a glance."""
    return Call("GET", "/system", lambda body: read_system(_json(body)))


def content(path: str) -> Call[bytes]:
    """What is at an address of the service."""
    return Call("GET", path, bytes)


class Events:
    """Reads a stream of server-sent events as it comes; progress is told."""

    def __init__(self, tell: Tell) -> None:
        self._tell = tell
        self._name = self._rest = b""

    def take(self, chunk: bytes) -> bytes | None:
        """The body of the answer, once it is there.

        Raises:
            Refused: there will be none.
        """
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        for line in lines:
            field, _, value = line.partition(b": ")
            if field == b"event":
                self._name = value
            elif field == b"data" and self._name == b"progress":
                self._tell(understood(_progress, value))
            elif field == b"data" and self._name == b"error":
                raise refusal(0, value)
            elif field == b"data" and self._name == b"done":
                return value
        return None


def understood(made: Callable[[bytes], T], body: bytes) -> T:
    """What is made of a body.

    Raises:
        NoSeacod: nothing can be made of it.
    """
    try:
        return made(body)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        words = f"{type(error).__name__}: {error}"
        raise NoSeacod(
            f"what answers is not seacod ({words})",
            f"应答不是来自 seacod（{type(error).__name__}）",
        ) from None


def address(url: str) -> str:
    """An address without the slash at its end; `unix:/PATH` is the service's unix socket.

    Raises:
        BadRequest: it is none.
        BadPort: its port is none.
    """
    if not url.startswith(("http://", "https://", f"{UNIX}/")):
        raise BadRequest(
            f"{url}: is not an address: it must begin with http://, https:// or unix:/",
            f"{url}：地址应以 http://、https:// 或 unix:/ 开头",
        )
    check_port(url, "")
    return url.rstrip("/")


@contextlib.contextmanager
def told_apart(url: str) -> Iterator[None]:
    """What goes wrong with a connection inside is raised as what it means."""
    import httpx

    try:
        yield
    except httpx.ConnectError as error:
        raise Unreachable(url, reason(error)) from None
    except httpx.TransportError as error:
        raise BrokenOff(reason(error)) from None
    except httpx.InvalidURL as error:
        raise BadRequest(f"{url}: is not an address ({error})", f"{url}：地址无效") from None


def _progress(body: bytes) -> Progress:
    return read(Progress, {"share": None, **_json(body)})


def _json(body: bytes) -> dict[str, Any]:
    parsed = json.loads(body)
    if not isinstance(parsed, dict):
        raise ValueError("no object")
    return parsed
