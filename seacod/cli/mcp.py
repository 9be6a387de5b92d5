"""`seacod mcp`: a server of the Model Context Protocol over stdio, by its official SDK, for
assistants that are to hear recordings. A client of the service like any other; standard output
belongs to the protocol."""

from __future__ import annotations

import argparse
import dataclasses
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seacod import __version__
from seacod.cli.options import add_config, add_key, add_url, api_key
from seacod.errors import EX_OK, BadRequest, ConfigError, SeacodError
from seacod.formats import registry

if TYPE_CHECKING:
    from mcp.server.mcpserver import MCPServer

HELP = "let assistants transcribe recordings (Model Context Protocol, over stdio)"

_TRANSCRIBE = (
    "The text of a Chinese recording, from a file on this machine or from an address that the "
    "service may fetch. Give path or url, not both."
)
_STATE = "How the speech recognition service is: model, device, queue, limits, versions."


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--allow", action="append", type=Path, default=[], metavar="DIR",
        help="directory whose files may be heard; may come several times (none: addresses only)",
    )  # fmt: skip
    add_url(parser)
    add_key(parser)
    add_config(parser)


def run(options: argparse.Namespace) -> int:
    """Serve whoever started us, until it closes our standard input.

    Raises:
        ConfigError: the SDK is not installed.
        BadRequest: a directory is not there, or an address is none.
        NotRunning: no service was named, and none runs here.
    """
    for directory in options.allow:
        if not directory.is_dir():
            raise BadRequest(
                f"--allow {directory}: there is no such directory",
                f"--allow {directory}：没有这个目录",
            )
    from seacod.client import AsyncClient, status_socket

    url = options.url or status_socket.url_of(options.config)
    AsyncClient(url)
    roots = tuple(directory.resolve() for directory in options.allow)
    _server(_Tools(url, api_key(options), roots)).run("stdio")
    return EX_OK


@dataclass(frozen=True, slots=True)
class _Tools:
    """
    Args:
        url: of the service.
        key: of its API, where it asks for one.
        roots: directories whose files may be heard.
    """

    url: str
    key: str | None
    roots: Sequence[Path]

    async def transcribe(
        self, path: str, url: str, format: str, hotwords: str, speakers: str
    ) -> str:
        """The text of a recording in a format; raises the `SeacodError` that says why not."""
        from seacod.client import AsyncClient, FromUrl

        wanted = registry.chosen("format", format, registry.all_formats())
        if wanted.is_binary:
            raise BadRequest(f"format: {wanted.name} is no text", f"format：{wanted.name} 不是文本")
        if bool(path) == bool(url):
            raise BadRequest("give path or url, one of them", "请提供 path 或 url 之一")
        recording = FromUrl(url) if url else self._allowed(path)
        async with AsyncClient(self.url, self.key) as service:
            written = await service.written(
                recording, wanted.name, hotwords=hotwords, speakers=speakers
            )
        return written.content.decode()

    async def state(self) -> dict[str, Any]:
        """The service at a glance."""
        from seacod.client import AsyncClient

        async with AsyncClient(self.url, self.key) as service:
            return dataclasses.asdict(await service.system())

    def _allowed(self, path: str) -> Path:
        """The file, links followed, if it lies below one of the directories.

        Raises:
            BadRequest: it does not, or there is none.
        """
        if not self.roots:
            raise BadRequest(
                "files of this machine may not be heard: seacod mcp was started without --allow",
                "未允许读取本机文件：seacod mcp 启动时没有指定 --allow",
            )
        # A path that is relative means one below the first of them.
        real = Path(os.path.realpath(self.roots[0] / path))
        if not any(real.is_relative_to(root) for root in self.roots):
            shown = ", ".join(map(str, self.roots))
            raise BadRequest(
                f"{path}: lies outside of the directories whose files may be heard ({shown})",
                f"{path}：不在允许的目录（{shown}）内",
            )
        if not real.is_file():
            raise BadRequest(f"{path}: there is no such file", f"{path}：没有这个文件")
        return real


def _server(tools: _Tools) -> MCPServer[Any]:
    """The tools, as assistants see them."""
    try:
        from mcp.server.mcpserver import MCPServer
        from mcp.server.mcpserver.exceptions import ToolError
    except ImportError:
        raise ConfigError(
            "the Model Context Protocol needs its SDK: pip install 'seacod[mcp]' in seacod's "
            "environment",
            "缺少 Model Context Protocol 的 SDK：请在 seacod 的环境中执行 "
            "pip install 'seacod[mcp]'",
        ) from None
    server: MCPServer[Any] = MCPServer("seacod", version=__version__)

    async def transcribe(
        path: str = "", url: str = "", format: str = "text", hotwords: str = "", speakers: str = ""
    ) -> str:
        try:
            return await tools.transcribe(path, url, format, hotwords, speakers)
        except SeacodError as error:
            raise ToolError(error.message) from None
        except OSError as error:
            raise ToolError(f"{path}: {error.strerror}") from None

    async def service_state() -> dict[str, Any]:
        try:
            return await tools.state()
        except SeacodError as error:
            raise ToolError(error.message) from None

    names = ", ".join(one.name for one in registry.all_formats() if not one.is_binary)
    wanted = (
        f"format: {names}. hotwords: names and terms that may be said, separated by blanks. "
        "speakers: true, a number, or a range such as 2-4, to be told who speaks."
    )
    server.tool(description=f"{_TRANSCRIBE} {wanted}", structured_output=False)(transcribe)
    server.tool(description=_STATE)(service_state)
    return server
