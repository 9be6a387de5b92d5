"""The results of a job as one zip: each recording in the formats of `is_in_zip`, and a summary."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from dataclasses import replace
from pathlib import PurePosixPath
from typing import Any, BinaryIO

from seacod.formats import full_json, registry
from seacod.formats.base import DEFAULT_CHOICES, Choices
from seacod.formats.spreadsheet import harmless
from seacod.jobs.model import FileState, JobFile
from seacod.jobs.store import JobStore

_COLUMNS = (
    "number", "name", "state", "audio_seconds", "error", "error_zh", "warnings", "warnings_zh",
    "result",
)  # fmt: skip


def write_zip(
    target: BinaryIO, store: JobStore, files: list[JobFile], choices: Choices = DEFAULT_CHOICES
) -> None:
    """Write everything that is finished. Blocking.

    Args:
        target: open for writing, at its beginning.
        choices: what the client of the batch said about the formats.
    """
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        rows: list[dict[str, Any]] = []
        for file in files:
            row = {column: getattr(file, column, "") for column in _COLUMNS}
            row.update(state=file.state.value, result="")
            row.update(warnings=file.sentences("en"), warnings_zh=file.sentences("zh"))
            if file.state is FileState.DONE:
                row["result"] = _add(archive, file, store.blobs.read(file), choices)
            rows.append(row)
        archive.writestr("summary.json", json.dumps(rows, ensure_ascii=False, indent=1))
        table = io.StringIO()
        writer = csv.DictWriter(table, _COLUMNS)
        writer.writeheader()
        writer.writerows({key: _cell(value) for key, value in row.items()} for row in rows)
        # With a mark at its beginning, without which spreadsheets take it for another encoding.
        archive.writestr("summary.csv", "﻿" + table.getvalue())


def _cell(value: Any) -> Any:
    if isinstance(value, list):
        value = " | ".join(value)
    return harmless(value) if isinstance(value, str) else value


def _add(archive: zipfile.ZipFile, file: JobFile, body: dict[str, Any], choices: Choices) -> str:
    transcript = full_json.read(body)
    choices = replace(choices, recording_name=file.name)
    stem = f"{file.number:04}-{safe_name(file.name)}"
    # As it was kept: no other format has everything.
    archive.writestr(f"{stem}.json", json.dumps(body, ensure_ascii=False))
    for one in registry.all_formats():
        if one.is_in_zip and one is not full_json.FORMAT:
            archive.writestr(f"{stem}{one.ending}", one.content(transcript, choices))
    return f"{stem}.json"


def safe_name(name: str) -> str:
    """The last part of a name people gave, without what any system would take for a path."""
    last = PurePosixPath(name.replace("\\", "/")).name
    kept = "".join(c if c.isalnum() or c in "._- （）()" else "_" for c in last)
    stem = kept.rsplit(".", 1)[0] if "." in kept[1:] else kept
    return stem.strip(". ")[:80] or "recording"
