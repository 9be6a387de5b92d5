"""Uploads on their way in: read as they come, bounded, into a private file of ours.

The names people give are never used for a path. Files are removed when the request is over; the
supervisor sweeps what a killed worker left.
"""

from __future__ import annotations

import asyncio
import shutil
import tempfile
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect, Request

from seacod.asr.audio import too_big
from seacod.errors import BadRequest, ClientGone, TooBig

PREFIX = "upload-"
# The form around the file: boundaries, names, hotwords.
_FORM_BYTES = 256 * 1024
# A client that goes on sending after it was refused is heard out for this long; closing the
# connection on it would lose the answer.
_HEAR_OUT_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class Upload:
    """What a form brought: the file on our disk, the name it was given, the other fields."""

    path: Path
    given_name: str
    fields: dict[str, str]


@asynccontextmanager
async def received(request: Request, directory: Path, max_bytes: int) -> AsyncGenerator[Upload]:
    """The upload of a multipart request, for the time of the block.

    Args:
        request: its body must not have been read.
        directory: private to the service.
        max_bytes: biggest file.

    Raises:
        BadRequest: no multipart form, or no file in it.
        TooBig: declared or found.
    """
    if not request.headers.get("content-type", "").startswith("multipart/form-data"):
        raise BadRequest(
            "send the recording as a multipart form with a field 'file', such as: "
            "curl -F file=@recording.wav",
            "请以 multipart 表单上传录音，字段名为 file，例如 curl -F file=@recording.wav",
        )
    declared = request.headers.get("content-length", "")
    if declared.isdigit() and int(declared) > max_bytes + _FORM_BYTES:
        await _hear_out(request)
        raise too_big(max_bytes)
    parser = MultiPartParser(
        request.headers, _counted(request, max_bytes), max_files=1, max_fields=8
    )
    try:
        form = await parser.parse()
    except TooBig:
        await _hear_out(request)
        raise
    except ClientDisconnect:
        raise ClientGone("the client went away while uploading", "客户端在上传时断开") from None
    except MultiPartException as error:
        raise BadRequest(
            f"the form cannot be read: {error.message}", "无法解析上传的表单"
        ) from None
    try:
        upload = form.get("file")
        if not isinstance(upload, UploadFile):
            raise BadRequest(
                "the form has no file in its field 'file'", "表单中缺少 file 字段的文件"
            )
        fields = {key: value for key, value in form.items() if isinstance(value, str)}
        path = await asyncio.to_thread(_keep, upload, directory)
    finally:
        await form.close()
    try:
        yield Upload(path, upload.filename or "", fields)
    finally:
        path.unlink(missing_ok=True)


def _keep(upload: UploadFile, directory: Path) -> Path:
    with tempfile.NamedTemporaryFile(prefix=PREFIX, dir=directory, delete=False) as file:
        path = Path(file.name)
        try:
            shutil.copyfileobj(upload.file, file, 1024 * 1024)
            # Otherwise a full disk could still show itself at closing.
            file.flush()
        except BaseException:
            path.unlink(missing_ok=True)
            raise
    return path


async def _counted(request: Request, max_bytes: int) -> AsyncGenerator[bytes, None]:
    total = 0
    async for chunk in request.stream():
        total += len(chunk)
        if total > max_bytes + _FORM_BYTES:
            raise too_big(max_bytes)
        yield chunk


async def _hear_out(request: Request) -> None:
    """Read and forget what still comes. A client that waits for our word (Expect) sends nothing."""
    if request.headers.get("expect", "").lower() == "100-continue":
        return
    deadline = time.monotonic() + _HEAR_OUT_SECONDS
    while time.monotonic() < deadline:
        message = await request.receive()
        if message["type"] != "http.request" or not message.get("more_body"):
            return
