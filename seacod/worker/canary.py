"""The canary: a short known recording for the model when it has no other work.

A model that is stuck is found before the next request. The recording goes the way of every other;
one that never comes back is work without progress, which the supervisor sees.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import structlog

from seacod.asr.recognisers.base import Recogniser
from seacod.asr.service import TranscriptionService
from seacod.config.in_use import SettingsInUse
from seacod.errors import SeacodError
from seacod.system.text.words import Words

log = structlog.get_logger(__name__)

# How often the interval, which a reload may change, is looked at.
_LOOK_SECONDS = 1.0


async def run_canary(
    service: TranscriptionService,
    settings: SettingsInUse,
    first_recording: Callable[[Recogniser], None],
    complain: Callable[[Words], None],
) -> None:
    """Transcribe the recording whenever the service has been idle for the interval.

    Args:
        service: its model is asked.
        settings: those in use, for the interval; 0 for never.
        first_recording: transcribes it, on the inference thread; raises when it comes out wrong.
        complain: told what was wrong, in a sentence of both languages.
    """
    idle_for = 0.0
    while True:
        await asyncio.sleep(_LOOK_SECONDS)
        idle_for = 0.0 if service.load().in_flight else idle_for + _LOOK_SECONDS
        interval = settings.current.worker.canary_interval_seconds
        if not interval or idle_for < interval:
            continue
        idle_for = 0.0
        try:
            await service.with_engine(first_recording)
        except SeacodError as error:
            log.error("canary_failed", text=error.message)
            complain(error.words)
        except Exception as error:
            log.exception("canary_failed")
            complain((
                f"the known recording was not transcribed: {error}",
                f"未能识别已知录音（{type(error).__name__}）",
            ))  # fmt: skip
