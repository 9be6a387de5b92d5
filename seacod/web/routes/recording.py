"""One uploaded recording and its answer, whole or as a stream: what the routes for them share.

A route says where it is, what its form means and how its answers look; nothing else is its own.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from fastapi import Request
from starlette.responses import Response

from seacod.asr.choice import EVERYTHING, SoundChoice
from seacod.asr.service import TranscriptionService
from seacod.errors import OutgoingError
from seacod.paths import Paths
from seacod.transcript import Transcript, TranscriptWarning
from seacod.web.disconnect import unless_gone
from seacod.web.known_fields import KnownFields
from seacod.web.middleware.access import client_of
from seacod.web.rendering import rendered
from seacod.web.routes import streaming
from seacod.web.routes.streaming import Event, Failed
from seacod.web.sources import Sources
from seacod.web.uploads import Upload, received

# The codes of an answer's warnings.
WARNINGS_HEADER = "X-Seacod-Warnings"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a form asks for.

    Args:
        hotwords: as they were typed.
        whole: the answer to somebody who waits for all of it.
        write_event: an event on the wire, for somebody who reads along; None for the whole answer.
            Transcripts are written by either on a thread.
        choice: what of the recording is to be heard.
        shows_queue: whether the stream begins while the recording waits for its turn.
        remarks: warnings about the request itself.
    """

    hotwords: str
    whole: Callable[[Transcript], Response]
    write_event: Callable[[Event | Failed], str] | None = None
    choice: SoundChoice = EVERYTHING
    shows_queue: bool = False
    remarks: tuple[TranscriptWarning, ...] = ()


async def answer(
    request: Request,
    service: TranscriptionService,
    paths: Paths,
    route: str,
    sources: Sources,
    known: KnownFields,
    understand: Callable[[Upload], Wanted],
) -> Response:
    """The response to a form with one recording.

    Args:
        request: its body must not have been read.
        service: recognises it.
        paths: where it lies meanwhile.
        route: for the metrics.
        sources: fetch what is named by its address.
        known: what `understand` reads; whatever else comes is remarked upon.
        understand: reads the form; raises `BadRequest` for what it cannot use.

    Raises:
        SeacodError: why there is no text.
    """
    client = client_of(request)
    service.check_room(client, route)
    async with contextlib.AsyncExitStack() as stack:
        try:
            upload = await stack.enter_async_context(
                received(request, paths.temp, service.limits.max_upload_bytes, sources)
            )
        except OutgoingError as error:
            service.refused(client, route, error)
            raise
        wanted = understand(upload)
        work = partial(
            service.transcribe,
            upload.path,
            wanted.hotwords,
            route=route,
            name=upload.given_name,
            client=client,
            choice=wanted.choice,
            remarks=(*wanted.remarks, *known.unread(upload.lists, request.query_params.keys())),
        )
        if wanted.write_event is None:
            transcript = await unless_gone(request, work())
            response = await rendered(transcript, partial(wanted.whole, transcript))
            # Not every format can hold warnings.
            if transcript.warnings:
                codes = dict.fromkeys(warning.code for warning in transcript.warnings)
                response.headers[WARNINGS_HEADER] = ", ".join(codes)
            return response
        # From here on the stream owns the upload.
        owned = stack.pop_all()
        events = streaming.events(request, work, shows_queue=wanted.shows_queue)
        return await streaming.answer(events, wanted.write_event, owned)
