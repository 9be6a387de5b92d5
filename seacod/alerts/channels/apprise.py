"""Everything the library Apprise can reach: Feishu, WeCom, Slack, Telegram and many more.

Optional (`pip install 'seacod[apprise]'`). Its addresses hold tokens, so they come from a secret
file, one a line; nothing that leaves this file says more of one than its line and its scheme.
Apprise blocks, so each address has a thread of its own and a time limit.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import re
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from seacod.alerts.alert import Message
from seacod.alerts.channels.base import Channel, Undelivered
from seacod.alerts.compose import Composed, compose
from seacod.alerts.kinds import Severity
from seacod.config.setting import Section, setting
from seacod.system.net.proxies import proxy_for
from seacod.system.processes.threads import on_thread
from seacod.system.text.words import Words, joined

# Apprise itself waits four seconds each to connect and to read, and some services several times.
_TIMEOUT_SECONDS = 60.0
_MAX_ADDRESSES = 32
_MISSING = (
    "needs the extra: pip install 'seacod[apprise]'", "需要安装：pip install 'seacod[apprise]'"
)  # fmt: skip
_NOT_UNDERSTOOD = ("Apprise does not understand this address", "Apprise 无法识别该地址")
_TYPES = {Severity.INFO: "info", Severity.WARNING: "warning", Severity.CRITICAL: "failure"}
# These name hosts and paths, which may be tokens.
_LOGGERS = ("apprise", "urllib3", "requests_oauthlib")
_SHOWN = 300


@dataclass(frozen=True, slots=True)
class Address:
    """One line of the file."""

    line: int
    url: str

    @property
    def label(self) -> str:
        """What may be said of it."""
        scheme = self.url.partition("://")[0] if "://" in self.url else ""
        known = scheme if re.fullmatch(r"[A-Za-z][A-Za-z0-9+]{0,19}", scheme) else "no scheme"
        return f"line {self.line} ({known})"

    def says(self, english: str, chinese: str) -> Words:
        """What there is to say of it."""
        return f"{self.label}: {english}", f"{self.label}：{chinese}"

    @property
    def mark(self) -> str:
        """To know it again without keeping it."""
        return hashlib.sha256(self.url.encode()).hexdigest()


class AppriseKeys(Section, applies="live"):
    """Its part of the section `alerts`."""

    apprise_urls_file: Path | None = setting(
        None,
        "File with addresses of the library Apprise, one a line, such as feishu://TOKEN or "
        "wecombot://KEY (they hold tokens); needs pip install 'seacod[apprise]'",
        "Apprise 地址文件，每行一个，例如 feishu://TOKEN、wecombot://KEY（含令牌）；"
        "需要安装 seacod[apprise]",
        credential="apprise-urls",
    )


class Apprise(Channel[AppriseKeys]):
    """The channel `apprise`: delivered when each address has taken the message."""

    name = "apprise"
    about = (
        "whatever the library Apprise reaches: Feishu, WeCom, Slack, Telegram and more",
        "Apprise 支持的渠道：飞书、企业微信、Slack、Telegram 等",
    )
    switch = "apprise_urls_file"
    keys = AppriseKeys

    # Messages that wait for another address only, by the mark of those that have taken them: they
    # are not told twice because another one is away. A new process tells them once more.
    _taken: ClassVar[dict[str, set[int]]] = {}
    # Addresses whose last call has not come back: they get no second thread.
    _calling: ClassVar[set[str]] = set()

    async def send(self, composed: Composed, messages: Sequence[Message]) -> str:
        """Hand the message to every address that has not taken it yet."""
        found = _addresses(self.secret(self.switch) or "")
        tries = await asyncio.gather(*(self._one(one, composed, messages) for one in found))
        failures = [failure for failure in tries if failure is not None]
        if failures:
            raise Undelivered(
                *joined((one.answer, one.chinese) for one in failures),
                is_final=all(one.is_final for one in failures),
                is_ours=any(one.is_ours for one in failures),
            )
        self._taken.clear()
        return "taken by " + ", ".join(one.label for one in found)

    def problems(self) -> Iterator[tuple[str, Words]]:
        """A missing library, and lines it does not understand."""
        try:
            text = self.secret(self.switch)
        except Undelivered:
            return  # said of every secret
        if text is None:
            return
        try:
            library = _library()
            for one in _addresses(text):
                if _service(library, one) is None:
                    yield self.switch, one.says(*_NOT_UNDERSTOOD)
        except Undelivered as error:
            yield self.switch, (error.answer, error.chinese)

    async def _one(
        self, address: Address, composed: Composed, messages: Sequence[Message]
    ) -> Undelivered | None:
        """Why one address did not take what it has not taken yet."""
        ids = {message.id for message in messages}
        taken = self._taken[address.mark] = self._taken.get(address.mark, set()) & ids
        fresh = [message for message in messages if message.id not in taken]
        if not fresh:
            return None
        if taken:
            composed = compose(fresh, self.settings)
        if address.mark in self._calling:
            return Undelivered(
                *address.says("the try before has not ended yet", "上一次发送尚未结束")
            )
        self._calling.add(address.mark)
        call = on_thread("seacod-apprise", lambda: self._call(address, composed))
        try:
            await asyncio.wait_for(call, _TIMEOUT_SECONDS)
        except Undelivered as error:
            return error
        except asyncio.TimeoutError:
            return Undelivered(*address.says(
                f"no answer within {_TIMEOUT_SECONDS:g} s", f"{_TIMEOUT_SECONDS:g} 秒内没有响应"
            ))  # fmt: skip
        taken |= {message.id for message in fresh}
        return None

    def _call(self, address: Address, composed: Composed) -> None:
        """On the thread.

        Raises:
            Undelivered: Apprise says no, or breaks.
        """
        try:
            with _AppriseLog() as said:
                service = _service(_library(), address)
                is_taken = service is not None and service.notify(
                    title=composed.subject,
                    body=composed.text,
                    body_format="text",
                    notify_type=_TYPES[composed.severity],
                    # A service that takes less than this gets the beginning.
                    overflow=None if "overflow=" in address.url else "truncate",
                )
        except Undelivered:
            raise
        except Exception as error:
            # Of some hundred plugins of others; what they say may quote the address.
            name = type(error).__name__
            raise Undelivered(*address.says(name, name)) from None
        finally:
            self._calling.discard(address.mark)
        if service is None:
            raise Undelivered(*address.says(*_NOT_UNDERSTOOD), is_ours=True)
        # Whoever it is for: not through this.
        proxy = proxy_for("https://apprise.invalid/")
        if not is_taken and not said.has_status and proxy is not None and proxy.problem:
            raise Undelivered(*address.says(*proxy.problem), is_ours=True)
        if not is_taken:
            raise Undelivered(*address.says(*said.status), is_ours=said.is_ours)


class _AppriseLog(logging.Handler):
    """What Apprise logs on this thread about a failure: it only returns False.

    Its sentences may name the host, which for many services is the token; of them the status of
    HTTP alone is kept. Meanwhile its loggers reach nobody else.
    """

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._thread = threading.get_ident()
        self._status = ""

    def __enter__(self) -> _AppriseLog:
        for name in _LOGGERS:
            logging.getLogger(name).propagate = False
        logging.getLogger(_LOGGERS[0]).addHandler(self)
        return self

    def __exit__(self, *_: object) -> None:
        logging.getLogger(_LOGGERS[0]).removeHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        if record.thread == self._thread:
            found = re.search(r"error=(\d{3})", record.getMessage())
            self._status = found[1] if found else self._status

    @property
    def has_status(self) -> bool:
        return bool(self._status)

    @property
    def status(self) -> Words:
        """In words."""
        if not self._status:
            return "not taken", "未接收"
        return f"refused with status {self._status}", f"被拒绝，状态码 {self._status}"

    @property
    def is_ours(self) -> bool:
        """Whether the address has to be mended."""
        return self._status in ("400", "401", "403", "404", "410")


def _addresses(text: str) -> list[Address]:
    """The addresses in the file; empty lines and such that begin with # are none.

    Raises:
        Undelivered: there is none, or there are too many.
    """
    lines = enumerate((line.strip() for line in text.splitlines()), 1)
    found = [Address(number, line) for number, line in lines if line and line[0] != "#"]
    if not found:
        raise Undelivered("there is no address", "没有地址", is_ours=True)
    if len(found) > _MAX_ADDRESSES:
        raise Undelivered(
            f"there are more than {_MAX_ADDRESSES} addresses",
            f"地址超过 {_MAX_ADDRESSES} 个",
            is_ours=True,
        )
    return found


def _library() -> Any:
    """Imported where it is used: it is big, and most have no need of it.

    Raises:
        Undelivered: it is not installed.
    """
    try:
        import apprise
    except ImportError:
        raise Undelivered(*_MISSING, is_ours=True) from None
    return apprise


def _service(library: Any, address: Address) -> Any:
    """Apprise's plugin for an address; None when it has none. It keeps nothing on the disk."""
    asset = library.AppriseAsset(app_id="seacod", app_desc="seacod", async_mode=False)
    return library.Apprise.instantiate(address.url, asset=asset)


CHANNEL = Apprise
