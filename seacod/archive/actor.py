"""The actor: recognition as in the worker, in a process that Ray starts. It does not import Ray, so
that it can be tested without a cluster.
"""

from __future__ import annotations

import asyncio
import os
import platform
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from seacod import __version__
from seacod.archive.received import ReceivedFile, ReceivedFiles
from seacod.asr.choice import SoundChoice
from seacod.config.schema import Settings
from seacod.formats import asked, registry
from seacod.system.net.remote_files import RemoteFiles
from seacod.system.text.words import Words, reason

_CHUNK_BYTES = 1 << 20


class TranscriptionActor:
    """One engine, on one GPU or a share of the cores; hears several recordings at once, so that
    their pieces go through the model together.

    Args:
        settings: as JSON: they travel.
        wanted: name of the format of the texts.
        said: about that format, as text fields.
        access: to object stores (`system/net/object_store.py`).
    """

    def __init__(
        self,
        settings: str,
        wanted: str,
        said: Mapping[str, str] | None = None,
        access: Mapping[str, str] | None = None,
    ) -> None:
        self._settings = Settings.model_validate_json(settings)
        self._format = registry.chosen("format", wanted, registry.all_formats())
        self._choices = asked.choices(said or {})
        self._remote = RemoteFiles(access)
        self._service: Any = None
        self._files: Any = None

    async def start(self) -> dict[str, Any]:
        """Load the model.

        Returns:
            Where and what it is: node, pid, device, model and version of seacod.

        Raises:
            SeacodError: the model cannot be fetched or loaded.
        """
        import ray

        from seacod import logs
        from seacod.asr.preparation import EnginePreparation
        from seacod.asr.service import TranscriptionService
        from seacod.metrics.worker import WorkerMetrics
        from seacod.paths import Paths

        logs.configure(self._settings.log, "worker")
        self._files = await asyncio.to_thread(ReceivedFiles)
        paths = Paths.resolve(self._settings)
        paths.state.mkdir(parents=True, exist_ok=True)
        preparation = EnginePreparation(self._settings, paths, _say_nothing)
        service = TranscriptionService(self._settings, preparation.load_engine, WorkerMetrics())
        await service.start()
        await service.open()
        await service.with_engine(preparation.make_ready)
        if preparation.tuning is not None:
            service.tune(preparation.tuning)
        self._service = service
        return {
            "node": ray.get_runtime_context().get_node_id(),
            "host": platform.node(),
            "pid": os.getpid(),
            "device": service.engine.device,
            "model": service.engine.name,
            "seacod": __version__,
        }

    async def receive(self, number: int, piece: bytes) -> str:
        """Keep the next piece of a recording that is to be heard later.

        Args:
            number: of the recording, for `hear`.
            piece: of its content.

        Returns:
            Why it cannot be kept; usually nothing.
        """
        try:
            await asyncio.to_thread(self._files.receive, (piece,), number)
        except OSError as error:
            return str(error)
        return ""

    async def forget(self, number: int) -> None:
        """Throw away a recording of which only a part has come."""
        await asyncio.to_thread(self._files.forget, number)

    async def hear(
        self,
        name: str,
        sound: bytes | int | None,
        source: str,
        words: str,
        choice: SoundChoice,
        done: list[str],
    ) -> dict[str, Any]:
        """Recognise one recording.

        Args:
            name: for messages.
            sound: its content; its number when `receive` was given it; None when it is to be read
                from `source`: a URL, or a path of this machine.
            source: of the recording.
            words: hotwords.
            choice: what of it is to be heard.
            done: hashes of contents that need not be heard again.

        Returns:
            `sha256`; with it `content`, `audio_seconds` and `warnings`, or `error`; or neither,
            when it is done.
        """
        from seacod.errors import SeacodError

        try:
            file = await asyncio.to_thread(self._bring, sound, source)
        except OSError as error:
            return {"sha256": "", "error": f"{source} cannot be kept: {error}"}
        except SeacodError as error:
            return {"sha256": "", "error": error.message}
        try:
            if file.sha256 in done:
                return {"sha256": file.sha256}
            try:
                transcript = await self._service.transcribe(
                    file.path, words, route="bulk", name=_as_text(name), is_bulk=True,
                    choice=choice,
                )  # fmt: skip
            except SeacodError as error:
                return {"sha256": file.sha256, "error": error.message}
            choices = replace(self._choices, recording_name=_as_text(name))
            return {
                "sha256": file.sha256,
                "content": await asyncio.to_thread(self._format.content, transcript, choices),
                "warnings": [warning.message for warning in transcript.warnings],
                "audio_seconds": transcript.duration_seconds,
            }
        finally:
            file.path.unlink(missing_ok=True)

    def _bring(self, sound: bytes | int | None, source: str) -> ReceivedFile:
        """The recording as a file of this machine."""
        files: ReceivedFiles = self._files
        if isinstance(sound, int):
            return files.take(sound)
        if sound is not None:
            return files.receive((sound,))
        return files.receive(self._remote.chunks(source) if "://" in source else _of_here(source))


def _of_here(path: str) -> Iterator[bytes]:
    """A file of this machine in pieces, whatever letters its name has.

    Raises:
        CannotRead: it cannot be read.
    """
    from seacod.errors import CannotRead

    try:
        with open(path, "rb") as file:
            while piece := file.read(_CHUNK_BYTES):
                yield piece
    except OSError as error:
        why, chinese = reason(error)
        raise CannotRead(f"cannot be read: {why}", f"无法读取：{chinese}") from None


def _as_text(name: str) -> str:
    """A file name that is no UTF-8 would end whatever writes it."""
    return name.encode("utf-8", "replace").decode()


def _say_nothing(words: Words, extend_seconds: float = 0.0) -> None:
    """The command shows recordings, not what an engine is at."""
