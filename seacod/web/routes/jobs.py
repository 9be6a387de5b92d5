"""What has become of a batch: progress, results as one zip, cancel, another try. How one comes in
is `batch.py`."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import tempfile
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Request
from fastapi import Path as InPath
from sqlalchemy.exc import SQLAlchemyError
from starlette.background import BackgroundTask
from starlette.responses import FileResponse, Response

from seacod.errors import BadRequest, ClientGone, Conflict, NotFound
from seacod.formats import asked
from seacod.jobs.gate import JobsGate
from seacod.jobs.model import Callback, CallbackState, FileState, Job, JobFile
from seacod.jobs.results import write_zip
from seacod.jobs.runner import Jobs
from seacod.jobs.store import JobStore
from seacod.jobs.store_thread import not_answering
from seacod.paths import Paths
from seacod.system.processes.threads import on_thread
from seacod.web.middleware.errors import LARGEST_NUMBER
from seacod.web.routes import openapi

FileNumber = Annotated[int, InPath(le=LARGEST_NUMBER)]
# Each writes every format of every file, on a thread and to the disk.
_ZIPS_AT_ONCE = 2
# What a result may take to be read.
_READ_SECONDS = 30.0


def router(gate: JobsGate, paths: Paths) -> APIRouter:
    """The routes of one worker."""
    routes = APIRouter(tags=["batches"], responses=openapi.REFUSALS)
    at_once = asyncio.Semaphore(_ZIPS_AT_ONCE)

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
            async with at_once:
                if await request.is_disconnected():
                    raise ClientGone("the client went away", "客户端已断开连接")
                path = await on_thread(
                    "seacod-results", lambda: _zipped(paths.temp, jobs.store, files, found)
                )
        except SQLAlchemyError:
            raise not_answering() from None
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

    @routes.get("/jobs/{job}/files/{number}", summary="The transcript of one file, as JSON")
    async def transcript(request: Request, job: str, number: FileNumber) -> Response:
        return Response(await _result(gate.open(), job, number), media_type="application/json")

    @routes.delete(
        "/jobs/{job}",
        summary="Cancel what has not finished; delete a job that is over, unless only=open",
    )
    async def cancel(request: Request, job: str, only: str = "") -> dict[str, Any]:
        _check_only(only)
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


def _check_only(only: str) -> None:
    """What was meant to be kept is not deleted for a slip of the pen.

    Raises:
        BadRequest: it is neither empty nor `open`.
    """
    if only not in ("", "open"):
        raise BadRequest(f"only={only!r}: the only value is open", f"only={only}：只能为 open")


async def _result(jobs: Jobs, job: str, number: int) -> str:
    """What was recognised in a file, as JSON.

    Raises:
        NotFound: there is no such job or file.
        Conflict: it has no text.
    """
    _, files, _ = await jobs.get(job)
    file = next((one for one in files if one.number == number), None)
    if file is None:
        raise NotFound(
            f"job {job[:40]!r} has no file {number}", f"任务 {job[:40]} 没有第 {number} 个文件"
        )
    if file.state is not FileState.DONE:
        raise Conflict(
            f"file {number} of job {job} has no text; ask GET /jobs/{job}",
            f"任务 {job} 的第 {number} 个文件没有文字结果",
        )

    def read() -> str:
        return json.dumps(jobs.store.blobs.read(file), ensure_ascii=False)

    # Of hours it is megabytes. Not by the loop's executor, which a drain would wait for.
    try:
        return await asyncio.wait_for(on_thread("seacod-result", read), _READ_SECONDS)
    except (SQLAlchemyError, asyncio.TimeoutError):
        raise not_answering() from None
    except FileNotFoundError:
        raise NotFound(
            f"job {job[:40]!r} was deleted meanwhile", f"任务 {job[:40]} 已被删除"
        ) from None


async def _state(jobs: Jobs, job: str) -> dict[str, Any]:
    """The state of a job as JSON."""
    found, files, shares = await jobs.get(job)
    told = await jobs.ask(lambda store: store.callback(job)) if found.callback_url else None
    return {**_shown(found, files, shares), "callback": _callback(found, told)}


def _callback(job: Job, told: Callback | None) -> dict[str, Any] | None:
    """How far the word of its end is; None where nobody asked for it."""
    if not job.callback_url:
        return None
    # Without the query, which may hold a token: whoever knows the job may read this.
    shown: dict[str, Any] = {"url": job.callback_url.partition("?")[0]}
    if told is None or job.finished is None:
        return {**shown, "state": "pending", "attempts": 0, "next_try": None, "answer": ""}
    is_waiting = told.state is CallbackState.WAITING
    return {
        **shown, "state": told.state.value, "attempts": told.attempts,
        "next_try": round(told.due, 3) if is_waiting else None, "answer": told.answer,
    }  # fmt: skip


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
