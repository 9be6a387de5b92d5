"""Uploads on their way in: read as they come, or fetched from where they are (`sources.py`),
bounded, into private files of ours.

The names people give are never used for a path. Files are removed when the request is over; the
supervisor sweeps what a killed worker left.
"""

from __future__ import annotations

import secrets
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from starlette.requests import Request

from seacod.asr.audio import too_big
from seacod.config.in_use import SettingsInUse
from seacod.errors import BadRequest
from seacod.web.disconnect import unless_gone
from seacod.web.forms import Body, Form, around_bytes, read_form
from seacod.web.sources import FIELD, Sources

PREFIX = "upload-"


@dataclass(frozen=True, slots=True)
class Upload:
    """An uploaded file on our disk, the name people gave it, and the other fields of the form.

    `lists` has every value of a field that came more than once.
    """

    path: Path
    given_name: str
    fields: dict[str, str]
    lists: dict[str, list[str]]


@asynccontextmanager
async def received(
    request: Request, directory: Path, max_bytes: int, sources: Sources
) -> AsyncGenerator[Upload]:
    """Read the upload of a multipart request, or fetch what it names by its address, and keep it
    for the time of the block.

    Args:
        request: nothing of its body was read yet.
        directory: private to the service.
        max_bytes: size of the biggest file allowed.
        sources: fetch what is named.

    Raises:
        BadRequest: the body is not a multipart form, or has no file.
        TooBig: the file is too big, by its header or when it was read.
        StorageFull: too little of the disk would be left.
        OutgoingError: it cannot be had from the address.
        ClientGone: the client went away meanwhile.
    """
    path = directory / f"{PREFIX}{secrets.token_hex(8)}"
    try:
        form = await form_of(
            request,
            lambda number: path,
            max_file_bytes=max_bytes,
            max_files=1,
            settings=sources.settings,
        )
        yield Upload(
            path, await _named(request, form, path, max_bytes, sources), form.fields, form.lists
        )
    finally:
        path.unlink(missing_ok=True)


async def _named(request: Request, form: Form, path: Path, max_bytes: int, sources: Sources) -> str:
    """What the recording is called; if it was named by its address, it is fetched before."""
    url = form.fields.get(FIELD, "")
    if form.files and url:
        raise BadRequest(
            f"the form has a file and the address of one ({FIELD}); send one of them",
            f"表单中同时有文件与地址（{FIELD}），请只提供一个",
        )
    if url:
        target = sources.check(url)
        return await unless_gone(request, sources.fetch(target, path, max_bytes))
    if not form.files or form.files[0].field_name != "file":
        raise BadRequest(
            "the form has no file in its field 'file'; curl sends one with an @: "
            "-F file=@recording.wav",
            "表单中缺少 file 字段的文件；使用 curl 时请加 @：-F file=@recording.wav",
        )
    return form.files[0].given_name


async def form_of(
    request: Request,
    place: Callable[[int], Path],
    *,
    max_file_bytes: int,
    max_files: int,
    more_fields: int = 0,
    settings: SettingsInUse,
) -> Form:
    """Read the form, unless its header says that it is too much. See `read_form`.

    Raises:
        TooBig: the file is too big, by its header or when it was read.
    """
    declared = request.headers.get("content-length", "")
    most = max_file_bytes * max_files + around_bytes(max_files)
    if declared.isdigit() and int(declared) > most:
        raise too_big(max_file_bytes)
    return await read_form(
        request.headers.get("content-type", ""),
        Body(request),
        place,
        max_file_bytes=max_file_bytes,
        max_files=max_files,
        more_fields=more_fields,
        settings=settings,
    )
