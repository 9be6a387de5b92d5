"""Clients of a running service over HTTP: `Client`, and `AsyncClient` for event loops. Commands,
proofs and tests use them, and anybody's programs may; docs/api.md has an example.

A service that is busy is asked again when it says (`RetryPolicy`); every wait is bounded. A proxy
of the environment is none for a service of one's own. What is raised is a `SeacodError`.
"""

from __future__ import annotations

import contextlib
import functools
import ssl
import time
from collections.abc import AsyncIterator, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from seacod import OWN_AGENT
from seacod.client import calls, live
from seacod.client.answers import Job, System, Written
from seacod.client.calls import (
    Call,
    Events,
    FormatFields,
    Recording,
    SoundFields,
    Tell,
    form_fields,
    understood,
)
from seacod.client.failures import PATIENT, BrokenOff, RequestAttempts, RetryPolicy, refusal
from seacod.client.live import LiveSession
from seacod.errors import SeacodError
from seacod.transcript import Transcript

if TYPE_CHECKING:
    import httpx
    from typing_extensions import Unpack

T = TypeVar("T")
_CONNECT_SECONDS = 10.0
_POLL_SECONDS = 1.0
_ENDED_EARLY = ("the answer ended in the middle", "应答不完整")


class _BaseClient:
    """What both clients are made of: httpx's options, and how long to insist."""

    def __init__(
        self,
        url: str,
        key: str | None = None,
        *,
        retry: RetryPolicy = PATIENT,
        silence_seconds: float = 60.0,
    ) -> None:
        import httpx

        self.url = calls.address(url)
        # Of a unix socket; None with TCP.
        self._path = self.url.removeprefix(calls.UNIX) if self.url.startswith(calls.UNIX) else None
        self._base = self.url if self._path is None else "http://localhost"
        self._headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._retry = retry
        self._silence_seconds = silence_seconds
        self._options: dict[str, Any] = {
            "headers": {"User-Agent": f"{OWN_AGENT}-client", **self._headers},
            "timeout": httpx.Timeout(
                silence_seconds, connect=min(_CONNECT_SECONDS, silence_seconds)
            ),
            "limits": httpx.Limits(max_connections=None, max_keepalive_connections=20),
            "trust_env": False,
            "verify": True if self._base.startswith("https:") else _trusts_nobody(),
        }
        self._unix: dict[str, Any] = {
            "uds": self._path, **{name: self._options[name] for name in ("limits", "verify")}
        }  # fmt: skip


def _trusts_nobody() -> ssl.SSLContext:
    """For addresses without TLS: httpx would load every certificate there is, which takes longer
    than a request."""
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


class Client(_BaseClient):
    """A running service; for one thread at a time.

    Args:
        url: of page and API; `unix:/PATH` for a unix socket.
        key: an API key, where it asks for one.
        retry: when to ask again; `NEVER` raises whatever comes.
        silence_seconds: a connection on which nothing comes for so long is broken.

    Raises:
        BadRequest: the address is none.
    """

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def transcribe(
        self, recording: Recording, *, tell: Tell | None = None, **wanted: Unpack[SoundFields]
    ) -> Transcript:
        """The text of a recording, with everything there is about it.

        Args:
            recording: a file, a name and its content, or where the service finds it (`FromUrl`).
            tell: told how far it is.
            wanted: see `SoundFields`.

        Raises:
            Refused: there will be none, and why; Busy when it was too busy for too long.
            Unreachable, BrokenOff, NoSeacod: the service does not answer, or not as it should.
        """
        return self._ask(calls.transcription(recording, form_fields(wanted), tell))

    def transcribe_as(
        self,
        recording: Recording,
        format: str,
        *,
        tell: Tell | None = None,
        **wanted: Unpack[FormatFields],
    ) -> str:
        """The text of a recording in a format: text, srt, json, ...; raises as `transcribe`.

        Args:
            recording, tell: as for `transcribe`.
            format: its name; it is not binary.
            wanted: see `FormatFields`.
        """
        return self.written(recording, format, tell=tell, **wanted).content.decode()

    def written(
        self,
        recording: Recording,
        format: str,
        *,
        tell: Tell | None = None,
        **wanted: Unpack[FormatFields],
    ) -> Written:
        """The content of a file in any format, documents as well, with the warnings; arguments and
        what is raised as for `transcribe_as`."""
        return self._ask(calls.written(recording, format, form_fields(wanted), tell))

    def submit(
        self,
        recordings: Sequence[Recording],
        *,
        idempotency_key: str = "",
        callback_url: str = "",
        **wanted: Unpack[FormatFields],
    ) -> str:
        """Have a batch worked off; its number. From then on it is finished, whatever happens.

        Args:
            recordings: as for `transcribe`.
            idempotency_key: the same key is the same job, also when it is sent again by another
                program; without it each call has its own, so that what broke off is sent again.
            callback_url: who is told when it is over, at a host that the operator allows.
            wanted: see `FormatFields`.

        Raises:
            SeacodError: it was not accepted. After BrokenOff nobody knows.
        """
        return self._ask(
            calls.submission(recordings, form_fields(wanted), idempotency_key, callback_url)
        )

    def job(self, number: str) -> Job:
        """How far a batch is."""
        return self._ask(calls.job("GET", number))

    def wait_for(self, number: str, *, within_seconds: float) -> Job:
        """A batch when it is over.

        Raises:
            TimeoutError: it is not yet.
        """
        deadline = time.monotonic() + within_seconds
        while not (job := self.job(number)).is_over:
            if time.monotonic() > deadline:
                raise TimeoutError(f"job {number}: {job.progress:.0%} in {within_seconds:g} s")
            time.sleep(_POLL_SECONDS)
        return job

    def results(self, number: str) -> bytes:
        """What of a batch is finished, as a zip."""
        return self._ask(calls.results(number))

    def cancel(self, number: str) -> Job:
        """Give up what of a batch has not finished."""
        return self._ask(calls.job("DELETE", number, "?only=open"))

    def delete(self, number: str) -> None:
        """Delete a batch that is over, with its recordings and results."""
        self._ask(calls.deleted(number))

    def system(self) -> System:
        """The service at a glance."""
        return self._ask(calls.system())

    def get(self, path: str) -> bytes:
        """What is at an address of the service, such as /health/ready."""
        return self._ask(calls.content(path))

    @functools.cached_property
    def _http(self) -> httpx.Client:
        import httpx

        if self._path is not None:
            return httpx.Client(**self._options, transport=httpx.HTTPTransport(**self._unix))
        return httpx.Client(**self._options)

    def _ask(self, call: Call[T]) -> T:
        attempts = RequestAttempts(self._retry, call.is_repeatable)
        while True:
            try:
                return self._once(call)
            except SeacodError as error:
                pause = attempts.pause_after(error)
            time.sleep(pause)

    def _once(self, call: Call[T]) -> T:
        with contextlib.ExitStack() as stack:
            form = call.form(stack)
            stack.enter_context(calls.told_apart(self.url))
            url = self._base + call.path
            answer = stack.enter_context(
                self._http.stream(call.method, url, headers=call.headers, **form)
            )
            if answer.status_code >= 400:
                raise refusal(answer.status_code, answer.read(), _retry_after(answer))
            if call.tell is None:
                return understood(call.read, answer.read())
            events = Events(call.tell)
            for chunk in answer.iter_bytes():
                if (body := events.take(chunk)) is not None:
                    return understood(call.read, body)
            raise BrokenOff(_ENDED_EARLY)


class AsyncClient(_BaseClient):
    """A client on an event loop, which may also stream a microphone; see `Client`."""

    async def __aenter__(self) -> AsyncClient:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._http.aclose()

    async def transcribe(
        self, recording: Recording, *, tell: Tell | None = None, **wanted: Unpack[SoundFields]
    ) -> Transcript:
        return await self._ask(calls.transcription(recording, form_fields(wanted), tell))

    async def written(
        self,
        recording: Recording,
        format: str,
        *,
        tell: Tell | None = None,
        **wanted: Unpack[FormatFields],
    ) -> Written:
        return await self._ask(calls.written(recording, format, form_fields(wanted), tell))

    async def submit(
        self,
        recordings: Sequence[Recording],
        *,
        idempotency_key: str = "",
        callback_url: str = "",
        **wanted: Unpack[FormatFields],
    ) -> str:
        return await self._ask(
            calls.submission(recordings, form_fields(wanted), idempotency_key, callback_url)
        )

    async def job(self, number: str) -> Job:
        return await self._ask(calls.job("GET", number))

    async def results(self, number: str) -> bytes:
        return await self._ask(calls.results(number))

    async def system(self) -> System:
        return await self._ask(calls.system())

    async def get(self, path: str) -> bytes:
        return await self._ask(calls.content(path))

    @contextlib.asynccontextmanager
    async def live(
        self, sample_rate: int, *, hotwords: str = "", speakers: str = ""
    ) -> AsyncIterator[LiveSession]:
        """A microphone for the time of the block. It is opened once, whatever the policy.

        Args:
            sample_rate: samples a second of what will be sent.
            hotwords: words separated by blanks or commas.
            speakers: who speaks, known when all was said: "true", a number, or a range.
        """
        from websockets.asyncio.client import connect

        with live.told_apart(self.url):
            # Of a unix socket `path` is the connection's and the address only names the host.
            there: dict[str, Any] = {}
            if self._path is not None:
                there = {"unix": True, "path": self._path}
            socket = await connect(
                self._base.replace("http", "ws", 1) + "/live", additional_headers=self._headers,
                proxy=None, max_size=None, **there,
            )  # fmt: skip
        async with socket:
            session = LiveSession(socket, self._silence_seconds)
            await session.start(sample_rate, hotwords, speakers)
            yield session

    @functools.cached_property
    def _http(self) -> httpx.AsyncClient:
        import httpx

        if self._path is not None:
            return httpx.AsyncClient(
                **self._options, transport=httpx.AsyncHTTPTransport(**self._unix)
            )
        return httpx.AsyncClient(**self._options)

    async def _ask(self, call: Call[T]) -> T:
        # Here, so that `seacod status`, which needs none of this, is quick.
        import asyncio

        attempts = RequestAttempts(self._retry, call.is_repeatable)
        while True:
            try:
                return await self._once(call)
            except SeacodError as error:
                pause = attempts.pause_after(error)
            await asyncio.sleep(pause)

    async def _once(self, call: Call[T]) -> T:
        with contextlib.ExitStack() as stack:
            form = call.form(stack)
            stack.enter_context(calls.told_apart(self.url))
            url = self._base + call.path
            asked = self._http.stream(call.method, url, headers=call.headers, **form)
            async with asked as answer:
                if answer.status_code >= 400:
                    raise refusal(answer.status_code, await answer.aread(), _retry_after(answer))
                if call.tell is None:
                    return understood(call.read, await answer.aread())
                events = Events(call.tell)
                async for chunk in answer.aiter_bytes():
                    if (body := events.take(chunk)) is not None:
                        return understood(call.read, body)
                raise BrokenOff(_ENDED_EARLY)


def _retry_after(answer: httpx.Response) -> str:
    return str(answer.headers.get("retry-after", ""))
