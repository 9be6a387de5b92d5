"""What there is to do: recordings of a directory, a list, or an object store. Reads no sound.

A list is JSON lines or CSV with `path` and, if wanted, `hotwords`; paths are relative to the list.
Everything with a scheme (s3://, https://, file://) goes through `remote_files.py`.
"""

from __future__ import annotations

import csv
import io
import json
import posixpath
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from seacod.errors import BadRequest
from seacod.formats.base import OutputFormat
from seacod.system.files.recordings import is_recording, meant
from seacod.system.net.remote_files import RemoteFiles
from seacod.system.text.words import reason

_LISTS = (".jsonl", ".csv")


@dataclass(frozen=True, slots=True)
class Item:
    """One recording.

    Args:
        name: path below the directory it was found in; unique.
        source: a path of this machine, or a URL.
        size_bytes: None when the server does not say.
        hotwords: used instead of the command's.
    """

    name: str
    source: str
    size_bytes: int | None
    hotwords: str | None = None

    def output(self, wanted: OutputFormat) -> str:
        """The path of its text below the output directory, the same as without Ray."""
        return str(PurePosixPath(self.name).with_suffix(wanted.ending))

    @property
    def is_remote(self) -> bool:
        """Whether the engines read the recording themselves."""
        return "://" in self.source


def items(
    given: Sequence[str], wanted: OutputFormat, remote: RemoteFiles | None = None
) -> list[Item]:
    """List all recordings, the biggest first, so that the run does not end with the longest one.

    Args:
        given: directories, files, wildcards, lists and URLs.
        wanted: the format of the texts, which decides their ending.
        remote: reads what is given as a URL.

    Raises:
        SeacodError: something is not there, holds no recording, or two would be written to one
            file.
    """
    found: dict[str, Item] = {}
    remote = remote or RemoteFiles()
    for text in given:
        for item in _items(text, remote):
            output = item.output(wanted)
            other = found.setdefault(output, item)
            if other.source != item.source:
                raise BadRequest(
                    f"{other.source} and {item.source} would both be written to {output}; do "
                    "them one after the other, with different directories for -o",
                    f"{other.source} 与 {item.source} 都会写入 {output}；"
                    "请分别执行，并用 -o 指定不同目录",
                )
    return sorted(found.values(), key=lambda item: (-(item.size_bytes or 0), item.name))


def _items(text: str, remote: RemoteFiles) -> Iterator[Item]:
    path = Path(text)
    if path.suffix.lower() in _LISTS or ("://" in text and text.lower().endswith(_LISTS)):
        yield from _listed(text, remote)
    elif "://" in text:
        yield from _remote(text, remote)
    else:
        for source, place in meant(text):
            yield Item(str(place), str(source), source.stat().st_size)


def _remote(url: str, remote: RemoteFiles) -> Iterator[Item]:
    found = remote.find(url)
    if [one.url for one in found] != [url]:
        found = [one for one in found if is_recording(PurePosixPath(one.place))]
    if not found:
        raise BadRequest(
            f"{url}: there is no recording below this address", f"{url}：该地址下没有录音"
        )
    yield from (Item(one.place, one.url, one.size_bytes) for one in found)


def _listed(text: str, remote: RemoteFiles) -> Iterator[Item]:
    """Read the recordings of a list."""
    try:
        content = remote.read(text) if "://" in text else Path(text).read_bytes()
        body = content.decode("utf-8")
    except FileNotFoundError:
        raise BadRequest(f"{text}: there is no such file", f"{text}：没有这个文件") from None
    except OSError as error:
        why, chinese = reason(error)
        raise BadRequest(f"{text}: cannot be read: {why}", f"{text}：无法读取：{chinese}") from None
    except UnicodeDecodeError:
        raise BadRequest(
            f"{text}: not a text file in UTF-8", f"{text}：不是 UTF-8 文本文件"
        ) from None
    base = posixpath.dirname(text)
    # Excel begins its CSV with a mark.
    rows = list(_rows(body.removeprefix("﻿"), text))
    if not rows:
        raise BadRequest(f"{text}: the list names no recording", f"{text}：列表中没有录音")
    for number, row in rows:
        given = row.get("path")
        if not isinstance(given, str) or not given:
            raise BadRequest(
                f"{text}, line {number}: no path is given", f"{text} 第 {number} 行：缺少 path"
            )
        source = given
        if "://" not in given and not given.startswith("/"):
            source = posixpath.join(base, given)
        words = row.get("hotwords")
        size = None
        if "://" not in source:
            if not Path(source).is_file():
                raise BadRequest(
                    f"{text}, line {number}: {source}: there is no such file",
                    f"{text} 第 {number} 行：没有文件 {source}",
                )
            size = Path(source).stat().st_size
        yield Item(_place(given), source, size, str(words) if words else None)


def _rows(body: str, text: str) -> Iterator[tuple[int, dict[str, Any]]]:
    if text.lower().endswith(".csv"):
        for number, row in enumerate(csv.DictReader(io.StringIO(body)), 2):
            yield number, dict(row)
        return
    for number, line in enumerate(body.splitlines(), 1):
        if not line.strip():
            continue
        try:
            parsed = json.loads(line)
        except ValueError:
            parsed = None
        if isinstance(parsed, str):
            parsed = {"path": parsed}
        if not isinstance(parsed, dict):
            raise BadRequest(
                f'{text}, line {number}: not a JSON object such as {{"path": "a.wav"}}',
                f'{text} 第 {number} 行：应为 {{"path": "a.wav"}} 这样的 JSON 对象',
            )
        yield number, parsed


def _place(given: str) -> str:
    """A path that stays below the output directory, whatever the list says."""
    path = PurePosixPath(given.partition("://")[2] or given)
    return str(PurePosixPath(*(part for part in path.parts if part not in ("/", "..", "."))))
