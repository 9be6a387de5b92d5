"""Batches over HTTP: many recordings in, an id out; progress, results as one zip, cancel."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import secrets
import shutil
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from fastapi import APIRouter, Request
from starlette.background import BackgroundTask
from starlette.responses import FileResponse, JSONResponse, Response

from seacod.asr.choice import SoundChoice
from seacod.asr.service import TranscriptionService
from seacod.errors import BadRequest, Conflict, NotFound
from seacod.formats import asked
from seacod.formats.remarks import warning_json
from seacod.jobs.gate import JobsGate
from seacod.jobs.model import Job, JobFile
from seacod.jobs.results import write_zip
from seacod.jobs.runner import ROUTE, Jobs
from seacod.jobs.store import JobStore
from seacod.jobs.unpacking import Bounds, unpack
from seacod.paths import Paths
from seacod.web.known_fields import KnownFields
from seacod.web.middleware.access import client_of
from seacod.web.routes import openapi
from seacod.web.uploads import heard_out

_UNPACKING_THREADS = 2
_FORM = openapi.form(
    ("files",),
    files=openapi.files(
        "The recordings, or zip archives of them; the field may come as often as you like"
    ),
    hotwords=openapi.text("Words separated by blanks, commas or lines, for all of them"),
    **openapi.sound_choice(),
    **openapi.choices(),
)


_KNOWN = KnownFields(openapi.names(_FORM))


def router(service: TranscriptionService, gate: JobsGate, paths: Paths) -> APIRouter:
    """The routes of one worker."""
    routes = APIRouter(tags=["batches"], responses=openapi.REFUSALS)
    # Of its own: uploads are written by the loop's threads, and an archive may take a minute.
    unpacking = ThreadPoolExecutor(_UNPACKING_THREADS, thread_name_prefix="seacod-unpacking")

    @routes.post(ROUTE, status_code=202, summary="Send a batch of recordings", openapi_extra=_FORM)
    async def batch(request: Request) -> Response:
        jobs, client = gate.open(), client_of(request)
        await jobs.check_room(client, 0, gate.results())
        # 128 bits: whoever knows the address of a job may see it.
        job = secrets.token_hex(16)
        directory = jobs.store.blobs.incoming(job)
        await asyncio.to_thread(directory.mkdir, parents=True, mode=0o750)
        is_accepted = False
        try:
            form = await heard_out(
                request,
                lambda number: directory / f"upload-{number:04}",
                max_file_bytes=service.limits.max_upload_bytes,
                max_files=gate.results().max_files,
            )
            if not form.files:
                raise BadRequest(
                    "the form has no file; send each in a field 'files', such as: "
                    "curl -F files=@one.wav -F files=@two.wav",
                    "表单中没有文件；请用 files 字段上传，例如 curl -F files=@one.wav",
                )
            choice = SoundChoice.read(form.fields)
            service.check(choice)
            chosen = asked.given(form.fields)
            asked.choices(chosen)
            bounds = Bounds(
                gate.results().max_files,
                service.limits.max_upload_bytes,
                service.limits.max_unpacked_bytes,
                gate.free_refuse_bytes(),
            )
            uploads = [(file.given_name[:255], file.path) for file in form.files]
            named = await asyncio.get_running_loop().run_in_executor(
                unpacking, _unpacked, directory, uploads, bounds
            )
            hotwords = form.fields.get("hotwords", "")
            await jobs.check_room(client, sum(size for _, size in named), gate.results())
            await jobs.accept(job, client, hotwords, named, choice, chosen)
            is_accepted = True
        finally:
            if not is_accepted:
                await asyncio.to_thread(shutil.rmtree, directory.parent, ignore_errors=True)
        location = f"/jobs/{job}"
        unread = _KNOWN.unread(form.lists, request.query_params.keys())
        return JSONResponse(
            {"job": job, "files": len(named), "status_url": location,
             "results_url": f"{location}/results", "request_id": request.state.request_id,
             "warnings": [one.message for one in unread],
             "warning_details": [warning_json(one) for one in unread]},
            202,
            {"Location": location},
        )  # fmt: skip

    @routes.get("/jobs/{job}", summary="How far a batch is, file by file")
    async def status(request: Request, job: str) -> dict[str, Any]:
        return await _state(gate.open(), job)

    @routes.get("/jobs/{job}/results", summary="What is finished, as one zip")
    async def results_zip(request: Request, job: str) -> Response:
        jobs = gate.open()
        found, files, _ = await jobs.get(job)
        if not any(file.state.is_over for file in files):
            raise Conflict(
                f"nothing of job {job} is finished yet; ask GET /jobs/{job}", f"任务 {job} 尚无结果"
            )
        # Not on the thread of the store, where files are claimed and finished meanwhile.
        try:
            path = await asyncio.to_thread(_zipped, paths.temp, jobs.store, files, found)
        except FileNotFoundError:
            raise NotFound(
                f"job {job[:40]!r} was deleted meanwhile", f"任务 {job[:40]} 已被删除"
            ) from None
        return FileResponse(
            path,
            media_type="application/zip",
            filename=f"seacod-{found.id[:8]}.zip",
            background=BackgroundTask(os.unlink, path),
        )

    @routes.delete(
        "/jobs/{job}",
        summary="Cancel what has not finished; delete a job that is over, unless only=open",
    )
    async def cancel(request: Request, job: str, only: str = "") -> dict[str, Any]:
        jobs = gate.open()
        try:
            await jobs.cancel(job)
        except Conflict:
            if only == "open":
                raise
            await jobs.delete(job)
            return {"job": job, "state": "deleted"}
        return await _state(jobs, job)

    @routes.post("/jobs/{job}/retry", summary="Try again what has failed")
    async def retry(request: Request, job: str) -> dict[str, Any]:
        jobs = gate.open()
        await jobs.retry(job)
        return await _state(jobs, job)

    return routes


async def _state(jobs: Jobs, job: str) -> dict[str, Any]:
    """The state of a job as JSON."""
    return _shown(*await jobs.get(job))


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


def _zipped(directory: Path, store: JobStore, files: list[JobFile], job: Job) -> str:
    descriptor, path = tempfile.mkstemp(prefix="results-", suffix=".zip", dir=directory)
    try:
        with os.fdopen(descriptor, "wb") as file:
            write_zip(file, store, files, asked.choices(json.loads(job.choices)))
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(path)
        raise
    return path


def _shown(job: Job, files: list[JobFile], shares: dict[int, float]) -> dict[str, Any]:
    counts: dict[str, int] = {}
    for file in files:
        counts[file.state.value] = counts.get(file.state.value, 0) + 1
    over = sum(file.state.is_over for file in files)
    partly = sum(shares.get(file.number, 0.0) for file in files if not file.state.is_over)
    return {
        "job": job.id,
        "state": job.state([file.state for file in files]),
        "created": round(job.created, 3),
        "finished": None if job.finished is None else round(job.finished, 3),
        "progress": round((over + partly) / max(1, len(files)), 4),
        "counts": counts,
        "files": [
            {
                "number": file.number,
                "name": file.name,
                "state": file.state.value,
                "progress": 1.0 if file.state.is_over else round(shares.get(file.number, 0.0), 4),
                "audio_seconds": file.audio_seconds,
                "error": None
                if file.error_code is None
                else {
                    "code": file.error_code, "message": file.error, "message_zh": file.error_zh,
                },
                "warnings": file.sentences("en"),
                "warnings_zh": file.sentences("zh"),
            }
            for file in files
        ],
    }  # fmt: skip
