"""Multipart forms read as they come, each file straight into a file of ours.

Starlette's parser keeps every file of a form open, and small ones in memory; a batch may have a
thousand. The parsing itself is python-multipart's. Whatever is no file (fields, headers,
boundaries, what stands before the first and after the last part) is bounded as a whole.
"""

from __future__ import annotations

import asyncio
import codecs
import contextlib
import logging
import re
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO
from urllib.parse import unquote_to_bytes

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import Request

from seacod.asr import hotword_formats
from seacod.asr.audio import too_big
from seacod.config.in_use import SettingsInUse
from seacod.errors import BadRequest, ClientGone
from seacod.system.files.free_space import check_room
from seacod.system.text import given_text

# It warns of each wrong byte, as often as a stranger likes.
logging.getLogger("python_multipart.multipart").setLevel(logging.ERROR)
# Written to the disk in pieces of this size, on a thread.
_BUFFER_BYTES = 1 << 20
_MAX_FIELDS = 64
# Fields that people send as a file, as in `curl -F hotwords=@names.txt`.
_TEXTS = ("hotwords", "prompt")
_MAX_FIELD_BYTES = 64 * 1024
# All that is no file: so much, and for each file that may come so much more.
_AROUND_BYTES = 256 * 1024
_AROUND_FILE_BYTES = 2 * 1024
_MAX_HEADERS = 8
_MAX_HEADER_BYTES = 8 * 1024
# https://www.rfc-editor.org/rfc/rfc2046#section-5.1.1
_MAX_BOUNDARY = 70
# Codecs that decode bytes to text, and whose cost or meaning is not that of a character set.
_NO_CHARSETS = ("idna", "punycode", "unicode_escape", "raw_unicode_escape", "undefined", "utf_7")


@dataclass(frozen=True, slots=True)
class FormFile:
    """A file of a form: the field it came in, the name people gave it, where it lies."""

    field_name: str
    given_name: str
    path: Path
    size_bytes: int


@dataclass(slots=True)
class Form:
    """The files and fields that a form brought."""

    files: list[FormFile] = field(default_factory=list)
    lists: dict[str, list[str]] = field(default_factory=dict)

    @property
    def fields(self) -> dict[str, str]:
        """The last value of each field."""
        return {name: values[-1] for name, values in self.lists.items()}


class Body:
    """The body of a request as it comes, and whether all of it came."""

    def __init__(self, request: Request) -> None:
        self._request = request
        self.is_over = False

    async def chunks(self) -> AsyncIterator[bytes]:
        """The body piece by piece.

        Raises:
            ClientGone: the body ended in the middle.
        """
        while not self.is_over:
            message = await self._request.receive()
            if message["type"] != "http.request":
                raise ClientGone("the client went away while uploading", "客户端在上传时断开")
            self.is_over = not message.get("more_body", False)
            yield message.get("body", b"")


async def read_form(
    content_type: str,
    body: Body,
    place: Callable[[int], Path],
    *,
    max_file_bytes: int,
    max_files: int,
    more_fields: int = 0,
    settings: SettingsInUse,
) -> Form:
    """Read the whole form.

    Args:
        content_type: the header of the request.
        body: of the request; nothing of it was read yet.
        place: where the n-th file (from 1) is to be written; must not exist.
        max_file_bytes: size of the biggest file allowed.
        max_files: number of files allowed.
        more_fields: number of fields allowed besides the usual ones.
        settings: those in use, for how much of the disk is to stay free.

    Raises:
        StorageFull: less would; the caller removes what was written.
        BadRequest: the body is not a multipart form, or a broken one.
        TooBig: a file is too big; the caller removes what was written.
        ClientGone: the client went away before the end of the form.
    """
    reading = _Reading(place, max_file_bytes, max_files, _MAX_FIELDS + more_fields, settings)
    parser = MultipartParser(
        _boundary(content_type),
        {
            "on_part_begin": reading.part_begins,
            "on_part_data": reading.data,
            "on_part_end": reading.part_ends,
            "on_header_field": reading.header_name,
            "on_header_value": reading.header_value,
            "on_header_end": reading.header_ends,
            "on_headers_finished": reading.headers_end,
        },
        max_header_count=_MAX_HEADERS,
        max_header_size=_MAX_HEADER_BYTES,
    )
    try:
        async for chunk in body.chunks():
            parser.write(chunk)
            reading.took(len(chunk))
            if reading.buffered >= _BUFFER_BYTES:
                await asyncio.to_thread(reading.write)
        parser.finalize()
        await asyncio.to_thread(reading.write)
    except (FormParserError, UnicodeError) as error:
        raise BadRequest(f"the form cannot be read: {error}", "无法解析上传的表单") from None
    finally:
        reading.close()
    return reading.form


def around_bytes(max_files: int) -> int:
    """The most bytes that a form with so many files may have besides them."""
    return _AROUND_BYTES + _AROUND_FILE_BYTES * max_files


def _boundary(content_type: str) -> bytes:
    """What separates the parts.

    Raises:
        BadRequest: the header is not that of a multipart form.
    """
    kind, options = parse_options_header(content_type)
    boundary = options.get(b"boundary")
    if kind != b"multipart/form-data" or not boundary:
        raise BadRequest(
            "send the recording as a multipart form with a field 'file', such as: "
            "curl -F file=@recording.wav",
            "请以 multipart 表单上传录音，字段名为 file，例如 curl -F file=@recording.wav",
        )
    if len(boundary) > _MAX_BOUNDARY:
        raise BadRequest(
            f"the boundary of the form has {len(boundary)} characters; {_MAX_BOUNDARY} is the most "
            "that is allowed (RFC 2046)",
            f"表单的 boundary 长 {len(boundary)} 个字符，最多 {_MAX_BOUNDARY} 个（RFC 2046）",
        )
    return boundary


# https://www.rfc-editor.org/rfc/rfc8187#section-3.2.1; RFC 7578 wants it in no form, and clients
# send it all the same.
_EXTENDED = re.compile(r";\s*filename\*(?:\s*=\s*([\w.:-]*)'[^';]*'([^;\s]*))?", re.IGNORECASE)
_QUOTED = re.compile(r'"(?:\\.|[^"\\])*"')


def _given_name(disposition: bytes, options: dict[bytes, bytes]) -> str | None:
    """What people called the file of a part; None where the part is a field."""
    plain = options.get(b"filename")
    extended = _EXTENDED.search(_QUOTED.sub('""', disposition.decode("latin-1")))
    if extended is not None:
        charset, encoded = extended.group(1) or "", extended.group(2) or ""
        with contextlib.suppress(LookupError, UnicodeError, ValueError):
            return given_text.name(unquote_to_bytes(encoded).decode(_charset(charset)))
        plain = plain or b""
    return None if plain is None else given_text.name(plain.decode("utf-8", "replace"))


def _charset(name: str) -> str:
    """A character set by its name, and no other codec of Python's."""
    info = codecs.lookup(name or "utf-8")
    if info.name.replace("-", "_") in _NO_CHARSETS:
        raise LookupError(name)
    return info.name


class _Reading:
    """One form on its way in: the parser's callbacks on the loop, `write` on a thread between."""

    def __init__(
        self,
        place: Callable[[int], Path],
        max_file_bytes: int,
        max_files: int,
        max_fields: int,
        settings: SettingsInUse,
    ) -> None:
        self.form = Form()
        self.buffered = 0
        self._place = place
        self._max_file_bytes = max_file_bytes
        self._max_files = max_files
        self._max_fields = max_fields
        self._settings = settings
        self._headers: dict[bytes, bytes] = {}
        self._header = (b"", b"")
        self._name = ""
        self._given: str | None = None
        self._size = 0
        self._files = 0
        self._fields = 0
        # All that came, and what of it belonged to files.
        self._bytes = 0
        self._file_bytes = 0
        self._value = bytearray()
        # What is to be written: data, or a file that begins or ends.
        self._pending: list[bytes | Path | FormFile] = []
        self._open: BinaryIO | None = None
        self._directory: Path | None = None

    def took(self, length: int) -> None:
        """So many bytes more were parsed.

        Raises:
            BadRequest: too many of them are no file.
        """
        self._bytes += length
        limit = around_bytes(self._max_files)
        if self._bytes - self._file_bytes > limit:
            raise BadRequest(
                f"the form has more than {limit // 1024} KiB that are no file (fields, headers, "
                "boundaries), which is the limit",
                f"表单中文件以外的内容超过 {limit // 1024} KiB 的上限",
            )

    # -- callbacks ----------------------------------------------------------------------------

    def part_begins(self) -> None:
        self._headers, self._value, self._size = {}, bytearray(), 0
        self._name, self._given = "", None

    def header_name(self, data: bytes, start: int, end: int) -> None:
        self._header = (self._header[0] + data[start:end], self._header[1])

    def header_value(self, data: bytes, start: int, end: int) -> None:
        self._header = (self._header[0], self._header[1] + data[start:end])

    def header_ends(self) -> None:
        self._headers[self._header[0].lower()] = self._header[1]
        self._header = (b"", b"")

    def headers_end(self) -> None:
        disposition = self._headers.get(b"content-disposition", b"")
        _, options = parse_options_header(disposition)
        if b"name" not in options:
            raise FormParserError("a part has no name")
        self._name = options[b"name"].decode("utf-8", "replace")
        self._given = None if self._name in _TEXTS else _given_name(disposition, options)
        if self._given is not None:
            self._given = self._given.replace("\0", " ")
        if self._given is None:
            self._fields += 1
            if self._fields > self._max_fields:
                raise BadRequest(
                    f"the form has more than {self._max_fields} fields, which is the limit",
                    f"表单字段超过 {self._max_fields} 个的上限",
                )
            return
        self._files += 1
        if self._files > self._max_files:
            shown = self._name[:40]
            raise BadRequest(
                f"the form has more than {self._max_files} files, which is the limit; the last one "
                f"came in the field {shown!r}",
                f"表单中的文件超过 {self._max_files} 个的上限，最后一个来自字段 {shown}",
            )
        self._pending.append(self._place(self._files))

    def data(self, data: bytes, start: int, end: int) -> None:
        length = end - start
        if self._given is None:
            if len(self._value) + length > _MAX_FIELD_BYTES:
                raise BadRequest(
                    f"the field {self._name[:40]!r} of the form is longer than "
                    f"{_MAX_FIELD_BYTES // 1024} KiB, which is the limit",
                    f"表单字段 {self._name[:40]} 超过 {_MAX_FIELD_BYTES // 1024} KiB 的上限",
                )
            self._value += data[start:end]
            return
        self._size += length
        self._file_bytes += length
        if self._size > self._max_file_bytes:
            raise too_big(self._max_file_bytes)
        self._pending.append(data[start:end])
        self.buffered += length

    def part_ends(self) -> None:
        if self._given is None:
            # No database and no file system knows a NUL in a text.
            text = hotword_formats.decoded(bytes(self._value)).replace("\0", " ")
            self.form.lists.setdefault(self._name, []).append(text)
            return
        self._pending.append(
            FormFile(self._name, self._given, self._place(self._files), self._size)
        )

    # -- on a thread --------------------------------------------------------------------------

    def write(self) -> None:
        """Write what was gathered to the disk."""
        pending, self._pending, self.buffered = self._pending, [], 0
        for item in pending:
            if isinstance(item, Path):
                self._open, self._directory = item.open("xb"), item.parent
            elif isinstance(item, FormFile):
                self.close()
                self.form.files.append(item)
            elif self._open is not None:
                self._open.write(item)
        # Whatever was said at the head: others write, too.
        if self._directory is not None:
            check_room(self._directory, self._settings.current.storage.free_refuse_bytes)

    def close(self) -> None:
        """Close the open file; a full disk may show itself only here."""
        file, self._open = self._open, None
        if file is not None:
            with contextlib.ExitStack() as stack:
                stack.callback(file.close)
                file.flush()
