"""A batch on its way in: recordings as files, archives and addresses; an id out. What becomes of it
is asked for at `jobs.py`."""

from __future__ import annotations

import asyncio
import secrets
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response

from seacod.asr.choice import SoundChoice
from seacod.asr.service import TranscriptionService
from seacod.errors import BadRequest
from seacod.formats import asked
from seacod.formats.remarks import warning_json
from seacod.jobs import callback_delivery, submissions
from seacod.jobs.gate import JobsGate
from seacod.jobs.model import Submission
from seacod.jobs.runner import Jobs
from seacod.jobs.unpacking import Bounds, unpack
from seacod.routes import BATCH
from seacod.system.net.outgoing import WebAddress
from seacod.system.processes.waiting import end_task
from seacod.web.disconnect import unless_gone
from seacod.web.forms import Form
from seacod.web.known_fields import KnownFields
from seacod.web.middleware.access import client_of
from seacod.web.routes import openapi
from seacod.web.sources import FIELD, Sources
from seacod.web.uploads import form_of

T = TypeVar("T")
_UNPACKING_THREADS = 2
_FORM = openapi.form(
    (),
    files=openapi.files(
        "The recordings, or zip archives of them; the field may come as often as you like"
    ),
    url={"type": "array", "items": openapi.url(), "description": "Also several"},
    hotwords=openapi.text("Words separated by blanks, commas or lines, for all of them"),
    callback_url=openapi.text(
        "Who is told by POST when the batch is over, at a host of outgoing.callback_hosts"
    ),
    **openapi.sound_choice(),
    **openapi.choices(),
    peaks=openapi.peaks(),
)
_KNOWN = KnownFields(openapi.names(_FORM), several=frozenset({FIELD}))
# On an answer that tells of an earlier batch with the same Idempotency-Key.
REPEATED = "Idempotent-Replayed"
_FETCHED_AT_ONCE = 4


def router(service: TranscriptionService, gate: JobsGate, sources: Sources) -> APIRouter:
    """The route of one worker."""
    routes = APIRouter(tags=["batches"], responses=openapi.REFUSALS)
    intake, settings = _Intake(service, gate, sources), gate.settings

    @routes.post(BATCH, status_code=202, summary="Send a batch of recordings", openapi_extra=_FORM)
    async def batch(request: Request) -> Response:
        jobs, client = gate.open(), client_of(request)
        key = submissions.read_key(request.headers.get("idempotency-key", ""))
        await jobs.ask(lambda store: store.check_room(client, 0, settings.current.results))
        # 128 bits: whoever knows the address of a job may see it.
        job = secrets.token_hex(16)
        directory = jobs.store.blobs.incoming(job)
        await asyncio.to_thread(directory.mkdir, parents=True, mode=0o750)
        accepted = ""
        try:
            form = await form_of(
                request,
                lambda number: directory / f"upload-{number:04}",
                max_file_bytes=service.limits.max_upload_bytes,
                max_files=settings.current.results.max_files,
                # Each may be named by its address, in a field.
                more_fields=settings.current.results.max_files,
                settings=settings,
            )
            batch = _Batch.read(form, gate, sources)
            service.check(batch.choice)
            submission = await intake.submission(key, form, batch)
            if submission is not None:
                earlier = await jobs.ask(lambda store: store.submitted(client, submission))
                accepted = earlier or ""
            if not accepted:
                fetched = await unless_gone(request, intake.fetch(batch, directory))
                named = await intake.unpack(directory, [*batch.uploads, *fetched])
                size_bytes = sum(size for _, size in named)
                await jobs.ask(
                    lambda store: store.check_room(
                        client, size_bytes, settings.current.results, more_files=len(named)
                    )
                )
                try:
                    accepted = await jobs.accept(
                        job, client, batch.hotwords, named, batch.choice, batch.chosen, submission,
                        batch.callback_url,
                    )  # fmt: skip
                except asyncio.CancelledError:
                    # It may be written down all the same; what never was is swept later.
                    accepted = job
                    raise
        finally:
            if accepted != job:
                await asyncio.to_thread(shutil.rmtree, directory.parent, ignore_errors=True)
        response = await _accepted(request, jobs, accepted, form)
        if accepted != job:
            response.headers[REPEATED] = "true"
        return response

    return routes


async def _accepted(request: Request, jobs: Jobs, job: str, form: Form) -> Response:
    _, files, _ = await jobs.get(job)
    location = f"/jobs/{job}"
    unread = _KNOWN.unread(form.lists, request.query_params.keys())
    return JSONResponse(
        {"job": job, "files": len(files), "status_url": location,
         "results_url": f"{location}/results", "request_id": request.state.request_id,
         "warnings": [one.message for one in unread],
         "warning_details": [warning_json(one) for one in unread]},
        202,
        {"Location": location},
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Batch:
    """What a form asks for; `uploads` are the name people gave to each file, and where it lies."""

    uploads: list[tuple[str, Path]]
    sources: list[WebAddress]
    hotwords: str
    choice: SoundChoice
    chosen: dict[str, str]
    callback_url: str

    @classmethod
    def read(cls, form: Form, gate: JobsGate, sources: Sources) -> _Batch:
        """
        Raises:
            BadRequest: something in it cannot be used.
            HostNotAllowed: it names a host that we may not connect to.
        """
        urls = [url for url in form.lists.get(FIELD, ()) if url.strip()]
        if not form.files and not urls:
            raise BadRequest(
                "the form has no file; send each in a field 'files', such as: "
                "curl -F files=@one.wav -F files=@two.wav",
                "表单中没有文件；请用 files 字段上传，例如 curl -F files=@one.wav",
            )
        settings = gate.settings.current
        most = settings.results.max_files
        if len(form.files) + len(urls) > most:
            raise BadRequest(
                f"with those named by {FIELD} there are more than {most} files, which is the "
                "limit; send them as several batches",
                f"连同 {FIELD} 指定的录音，文件总数超过 {most} 个的上限，请分批提交",
            )
        chosen = asked.given(form.fields)
        asked.choices(chosen)
        callback_url = form.fields.get("callback_url", "").strip()
        return cls(
            [(file.given_name[:255], file.path) for file in form.files],
            [sources.check(url) for url in urls],
            form.fields.get("hotwords", ""),
            SoundChoice.read(form.fields),
            chosen,
            callback_delivery.check(callback_url, settings.outgoing) if callback_url else "",
        )


class _Intake:
    """What takes its time: digests, recordings from elsewhere, archives."""

    def __init__(self, service: TranscriptionService, gate: JobsGate, sources: Sources) -> None:
        self._service = service
        self._gate = gate
        self._sources = sources
        # Of its own: uploads are written by the loop's threads, and an archive may take a minute.
        self._threads = ThreadPoolExecutor(
            _UNPACKING_THREADS, thread_name_prefix="seacod-unpacking"
        )

    async def submission(self, key: str, form: Form, batch: _Batch) -> Submission | None:
        """What its client calls this batch; None for nothing."""
        if not key:
            return None
        digest = submissions.digest
        return Submission(key, await self._call(lambda: digest(form.lists, batch.uploads)))

    async def fetch(self, batch: _Batch, directory: Path) -> list[tuple[str, Path]]:
        """The recordings that were named by their address: name and file of each.

        Raises:
            OutgoingError: one of them cannot be had; the others are given up.
        """
        places = asyncio.Semaphore(_FETCHED_AT_ONCE)
        most = self._service.limits.max_upload_bytes

        async def fetch(number: int, target: WebAddress) -> tuple[str, Path]:
            path = directory / f"upload-{number:04}"
            async with places:
                return await self._sources.fetch(target, path, most), path

        tasks = [
            asyncio.ensure_future(fetch(number, target))
            for number, target in enumerate(batch.sources, len(batch.uploads) + 1)
        ]
        try:
            return list(await asyncio.gather(*tasks))
        finally:
            for task in tasks:
                await end_task(task)

    async def unpack(
        self, directory: Path, uploads: list[tuple[str, Path]]
    ) -> list[tuple[str, int]]:
        """Unpack archives among the uploads.

        Returns:
            Name and size of each recording.
        """
        settings = self._gate.settings.current
        bounds = Bounds(
            settings.results.max_files,
            self._service.limits.max_upload_bytes,
            self._service.limits.max_unpacked_bytes,
            settings.storage.free_refuse_bytes,
        )
        return await self._call(lambda: _unpacked(directory, uploads, bounds))

    async def _call(self, call: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, call)


def _unpacked(
    directory: Path, uploads: list[tuple[str, Path]], bounds: Bounds
) -> list[tuple[str, int]]:
    """Unpack archives among the uploads.

    Returns:
        Name and size of each recording.
    """
    names = unpack(directory, uploads, bounds)
    return [
        (name, (directory / f"{number:04}").stat().st_size) for number, name in enumerate(names, 1)
    ]
