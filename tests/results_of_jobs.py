"""The zip with the results of a job, as a client gets it."""

from __future__ import annotations

import io
import json
import zipfile


def texts(packed: bytes) -> list[str]:
    """What each of its files says."""
    archive = zipfile.ZipFile(io.BytesIO(packed))
    return [
        json.loads(archive.read(name))["text"]
        for name in archive.namelist()
        if name.endswith(".json") and name != "summary.json"
    ]
