"""Tells those who asked for it that a batch is over: in each worker one try of a host at a time,
again and again with growing pauses, until it is taken or too old. Told at least once: a worker that
ends between sending and writing that down sends it again, under the same id.

Lives on the worker's loop. What is to be told lies with the jobs (`callbacks.py`), so that any
worker that shares them goes on. Signed as
https://github.com/standard-webhooks/standard-webhooks says.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import contextlib
import hashlib
import hmac
import random
import time
from collections.abc import Callable

import structlog
from sqlalchemy.exc import SQLAlchemyError

from seacod.config.in_use import SettingsInUse
from seacod.config.outgoing import OutgoingSettings
from seacod.config.secrets import find_secret, read_secret
from seacod.errors import HostNotAllowed, NotReady, SeacodError
from seacod.jobs.callbacks import LEASE_SECONDS, MOST_PAUSE_SECONDS
from seacod.jobs.database import said
from seacod.jobs.model import Callback, CallbackState
from seacod.jobs.runner import Jobs
from seacod.jobs.store import JobStore
from seacod.system.net import outgoing
from seacod.system.net.allowed_origins import AllowedOrigins
from seacod.system.processes.waiting import end_task
from seacod.system.text import given_text

log = structlog.get_logger(__name__)

HOSTS_KEY = "outgoing.callback_hosts"
_KEY_OF_FILE = "callback_secret_file"
_IN_BASE64 = "whsec_"
_LOOK_SECONDS = 2.0
_HOSTS_AT_ONCE = 8
# From the look-up of the name to the end of the answer; less than the lease.
_TRY_SECONDS = 20.0
_READ_BYTES = 4096
_FIRST_PAUSE_SECONDS = 10.0
# The receiver says that nobody will ever be there (RFC 9110, 15.5.11).
_GONE = 410

assert _TRY_SECONDS < LEASE_SECONDS


def check(url: str, settings: OutgoingSettings) -> str:
    """The address of a callback that a client asks for, in one form.

    Raises:
        BadRequest: it is none.
        HostNotAllowed: nobody there may be told, or nothing can be signed.
    """
    target = outgoing.read(url, "callback_url")
    outgoing.allowed(target, AllowedOrigins(settings.callback_hosts), HOSTS_KEY)
    if find_secret(settings, _KEY_OF_FILE) is None:
        raise HostNotAllowed(
            "callbacks are signed, and this service has no secret for that; its operator can set "
            "outgoing.callback_secret_file",
            "回调需要签名，但服务未配置密钥；管理员可设置 outgoing.callback_secret_file",
        )
    return target.url


def signature(secret: str, identifier: str, timestamp: int, body: bytes) -> str:
    """The header `webhook-signature`.

    Args:
        secret: `whsec_` and Base64, else any text, whose bytes count.
        identifier: the header `webhook-id`.
        timestamp: the header `webhook-timestamp`, Unix seconds.
        body: as it is sent.
    """
    key = secret.encode()
    if secret.startswith(_IN_BASE64):
        with contextlib.suppress(binascii.Error):
            key = base64.b64decode(secret.removeprefix(_IN_BASE64), validate=True)
    signed = b".".join((identifier.encode(), str(timestamp).encode(), body))
    return f"v1,{base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()}"


def pause_seconds(attempts: int, chance: random.Random) -> float:
    """How long to wait after so many tries that failed: 10 s, 20 s, ... to an hour, less by chance,
    so that many do not come back at once."""
    step = min(MOST_PAUSE_SECONDS, _FIRST_PAUSE_SECONDS * 2.0 ** min(attempts - 1, 20))
    return step * chance.uniform(0.5, 1.0)


class _NotTaken(Exception):
    """The receiver did not take it; `is_final` when it never will."""

    def __init__(self, answer: str, *, is_final: bool = False) -> None:
        super().__init__(answer)
        self.answer = answer
        self.is_final = is_final


class CallbackDelivery:
    """
    Args:
        jobs: has the store.
        settings: those in use, asked for each try.
        count: told the result of each, by the words of `asr_callbacks`.
        chance: for tests.
    """

    def __init__(
        self,
        jobs: Jobs,
        settings: SettingsInUse,
        count: Callable[[str], None],
        chance: random.Random | None = None,
    ) -> None:
        self._jobs = jobs
        self._settings = settings
        self._count = count
        self._random = chance or random.Random()
        self._running: dict[str, asyncio.Task[None]] = {}

    async def run(self) -> None:
        """Deliver until cancelled; what is being sent then is sent again by the next worker."""
        has_failed = False
        try:
            while True:
                try:
                    while self._jobs.is_open and await self._begin_one():
                        pass
                    has_failed = False
                except (OSError, SQLAlchemyError, NotReady) as error:
                    if not has_failed:
                        log.error("callbacks_interrupted", error=said(error))
                    has_failed = True
                except Exception:
                    log.exception("callbacks_interrupted")
                await asyncio.sleep(_LOOK_SECONDS)
        finally:
            for task in tuple(self._running.values()):
                await end_task(task)

    async def _begin_one(self) -> bool:
        if len(self._running) >= _HOSTS_AT_ONCE:
            return False
        busy = tuple(self._running)
        which = await self._jobs.act(lambda store: store.claim_callback(busy))
        if which is None:
            return False
        task = asyncio.ensure_future(self._tell(which))
        self._running[which.host] = task
        task.add_done_callback(lambda _: self._running.pop(which.host, None))
        return True

    async def _tell(self, which: Callback) -> None:
        try:
            try:
                answer = await asyncio.wait_for(self._send(which), _TRY_SECONDS)
            except asyncio.TimeoutError:
                raise _NotTaken(f"no whole answer within {_TRY_SECONDS:g} s") from None
            except SeacodError as error:
                raise _NotTaken(error.message) from None
        except asyncio.CancelledError:
            # The worker goes: the next one need not wait for the end of the lease.
            due = time.time()
            await self._keep(lambda store: store.put_off_callback(which, due, ""))
            raise
        except _NotTaken as error:
            await self._not_taken(which, error)
        except Exception:
            log.exception("callback_broke", job=which.job)
            await self._not_taken(which, _NotTaken("unexpected (see the log of the service)"))
        else:
            await self._keep(
                lambda store: store.end_callback(which, CallbackState.DELIVERED, answer)
            )
            self._count("delivered")
            log.info(
                "callback_delivered", job=which.job, host=which.host, attempts=which.attempts,
                answer=answer,
            )  # fmt: skip

    async def _send(self, which: Callback) -> str:
        """One try; what was answered."""
        settings = self._settings.current.outgoing
        target = outgoing.read(which.url, "callback_url")
        entry = outgoing.allowed(target, AllowedOrigins(settings.callback_hosts), HOSTS_KEY)
        secret = await asyncio.to_thread(read_secret, settings, _KEY_OF_FILE)
        if secret is None:
            raise _NotTaken("there is no secret to sign it with (outgoing.callback_secret_file)")
        body, now = which.body.encode(), int(time.time())
        headers = (
            ("Content-Type", "application/json"),
            ("webhook-id", which.id),
            ("webhook-timestamp", str(now)),
            ("webhook-signature", signature(secret, which.id, now, body)),
        )
        async with outgoing.answer("POST", target, entry, headers, body) as response:
            told = b""
            async for chunk in response.aiter_stream():
                told += chunk
                if len(told) >= _READ_BYTES:
                    break
        words = _line(f"{response.status} {told[:_READ_BYTES].decode('utf-8', 'replace')}")
        if not 200 <= response.status < 300:
            raise _NotTaken(words, is_final=response.status == _GONE)
        return words

    async def _not_taken(self, which: Callback, error: _NotTaken) -> None:
        tried_for = self._settings.current.outgoing.callback_hours * 3600
        age = await asyncio.to_thread(self._jobs.age_seconds, which.made, tried_for)
        is_over = error.is_final or age > tried_for
        self._count("given_up" if is_over else "not_taken")
        facts = {"job": which.job, "host": which.host, "attempts": which.attempts,
                 "answer": error.answer}  # fmt: skip
        if is_over:
            log.error("callback_given_up", waited_seconds=round(age), **facts)
            await self._keep(
                lambda store: store.end_callback(which, CallbackState.GIVEN_UP, error.answer)
            )
            return
        pause = pause_seconds(which.attempts, self._random)
        log.warning("callback_not_taken", next_try_seconds=round(pause, 1), **facts)
        due = time.time() + pause
        await self._keep(lambda store: store.put_off_callback(which, due, error.answer))

    async def _keep(self, act: Callable[[JobStore], None]) -> None:
        """Write down what became of it; what cannot be written is tried again after the lease."""
        try:
            await self._jobs.act(act)
        except (OSError, SQLAlchemyError, NotReady) as error:
            log.error("callback_not_kept", error=said(error))


def _line(text: str) -> str:
    """What others said, as one line that a terminal shows as it is."""
    return given_text.one_line(text, 200)
