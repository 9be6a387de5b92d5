"""What the supervisor knows and the worker shows: restarts, alerts, the GPU, the last hour."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

_TIMEOUT_SECONDS = 1.0
_MAX_BYTES = 1 << 20


async def ask(path: Path) -> dict[str, Any] | None:
    """Ask the supervisor at this socket; None when nobody answers in time."""
    try:
        return await asyncio.wait_for(_read(path), _TIMEOUT_SECONDS)
    except (OSError, ValueError, asyncio.TimeoutError):
        return None


async def _read(path: Path) -> dict[str, Any] | None:
    reader, writer = await asyncio.open_unix_connection(str(path))
    try:
        chunks, size = [], 0
        while chunk := await reader.read(65_536):
            size += len(chunk)
            if size > _MAX_BYTES:
                return None
            chunks.append(chunk)
        told = json.loads(b"".join(chunks))
        return told if isinstance(told, dict) else None
    finally:
        writer.close()
