"""Recordings that clients name by their address (`url=`): fetched into private files of ours, like
an upload. From whom is `outgoing.input_hosts`; how the connection is made `system/net/outgoing.py`.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote

import anyio
import structlog

from seacod.asr.audio import too_big
from seacod.config.in_use import SettingsInUse
from seacod.errors import SourceTooSlow, SourceUnreachable
from seacod.system.files.free_space import check_room
from seacod.system.net import outgoing
from seacod.system.net.allowed_origins import AllowedOrigin, AllowedOrigins
from seacod.system.net.outgoing import WebAddress
from seacod.system.text import given_text

if TYPE_CHECKING:
    import httpcore

log = structlog.get_logger(__name__)

FIELD = "url"
_HOSTS_KEY = "outgoing.input_hosts"
# Of one worker; others wait, within their time.
_AT_ONCE = 8
_BUFFER_BYTES = 1 << 20
_MOST_REDIRECTS = 5
_REDIRECTS = (301, 302, 303, 307, 308)


class Sources:
    """
    Args:
        settings: those in use, asked for each recording.
    """

    def __init__(self, settings: SettingsInUse) -> None:
        self.settings = settings
        self._places = asyncio.Semaphore(_AT_ONCE)

    def check(self, url: str) -> WebAddress:
        """The address, if recordings may come from there.

        Raises:
            BadRequest: it is none.
            HostNotAllowed: the configuration does not name its host.
        """
        target = outgoing.read(url, FIELD)
        self._allowed(target)
        return target

    async def fetch(self, target: WebAddress, path: Path, max_bytes: int) -> str:
        """Write the recording to a file, which the caller removes whatever happens.

        Args:
            target: where it is.
            path: of a file that is not there.
            max_bytes: its size at most.

        Returns:
            What the recording is called there.

        Raises:
            HostNotAllowed: the host, or one that it sends us on to, may not be asked.
            SourceUnreachable: it is not there, or the connection broke off.
            SourceTooSlow: it did not come within `outgoing.input_seconds`.
            TooBig: it is bigger than `max_bytes`.
            StorageFull: the disk has no room for it.
        """
        seconds = self.settings.current.outgoing.input_seconds
        try:
            with anyio.fail_after(seconds):
                async with self._places:
                    size = await self._follow(target, path, max_bytes)
        except TimeoutError:
            raise SourceTooSlow(
                f"{target.shown[:200]}: the recording did not come within {seconds:g} s; send the "
                "file itself, or ask the operator to raise outgoing.input_seconds",
                f"{target.shown[:200]}：未能在 {seconds:g} 秒内获取完毕；请直接上传文件，"
                "或由管理员调高 outgoing.input_seconds",
            ) from None
        log.info("source_fetched", host=target.host, size_bytes=size)
        return name_of(target)

    async def _follow(self, target: WebAddress, path: Path, max_bytes: int) -> int:
        for _ in range(_MOST_REDIRECTS + 1):
            entry = self._allowed(target)
            async with outgoing.answer("GET", target, entry) as response:
                headers = {name.lower(): value for name, value in response.headers}
                if response.status in _REDIRECTS and b"location" in headers:
                    location = headers[b"location"].decode("latin-1")
                    target = outgoing.read(location, f"{FIELD} ({target.host} sends on)", target)
                    continue
                if response.status != 200:
                    raise SourceUnreachable(
                        f"{target.shown[:200]}: answered {response.status}, not with the recording",
                        f"{target.shown[:200]}：返回 {response.status}，未得到录音",
                    )
                if (packed := headers.get(b"content-encoding", b"identity")) != b"identity":
                    shown = packed.decode("latin-1")[:20]
                    raise SourceUnreachable(
                        f"{target.shown[:200]}: comes packed ({shown!r}), which was not asked for",
                        f"{target.shown[:200]}：返回了压缩内容（{shown}），无法使用",
                    )
                declared = headers.get(b"content-length", b"0")
                return await self._write(response, path, max_bytes, int(declared or 0))
        raise SourceUnreachable(
            f"{target.shown[:200]}: sends on more than {_MOST_REDIRECTS} times",
            f"{target.shown[:200]}：重定向超过 {_MOST_REDIRECTS} 次",
        )

    async def _write(
        self, response: httpcore.Response, path: Path, max_bytes: int, declared: int
    ) -> int:
        if declared > max_bytes:
            raise too_big(max_bytes)
        check_room(path.parent, self.settings.current.storage.free_refuse_bytes, declared)
        size = 0
        buffer = bytearray()
        with path.open("xb") as file:
            async for chunk in response.aiter_stream():
                size += len(chunk)
                if size > max_bytes:
                    raise too_big(max_bytes)
                buffer += chunk
                if len(buffer) >= _BUFFER_BYTES:
                    await asyncio.to_thread(file.write, bytes(buffer))
                    buffer.clear()
                    check_room(path.parent, self.settings.current.storage.free_refuse_bytes)
            await asyncio.to_thread(file.write, bytes(buffer))
        return size

    def _allowed(self, target: WebAddress) -> AllowedOrigin:
        hosts = AllowedOrigins(self.settings.current.outgoing.input_hosts)
        return outgoing.allowed(target, hosts, _HOSTS_KEY)


def name_of(target: WebAddress) -> str:
    """What people would call the recording: the end of its path."""
    path = target.path.partition(b"?")[0].decode("ascii", "replace")
    return given_text.name(unquote(path.rstrip("/").rpartition("/")[2])) or target.host
