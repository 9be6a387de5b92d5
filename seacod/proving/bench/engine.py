"""`seacod bench engine`: what each batch size costs on this machine, and what to configure."""

from __future__ import annotations

from seacod.asr import tuning
from seacod.asr.engine import Engine
from seacod.asr.tuning import Tuning
from seacod.config.schema import Settings
from seacod.models import registry, warmup
from seacod.paths import Paths

# What waits should be done within this time if every recording is so long.
_WAIT_SECONDS, _RECORDING_SECONDS = 60.0, 60.0
_FEWEST, _MOST = 4, 500
# Share of the deadline that the audio that waits may take.
_DEADLINE_SHARE = 0.8


def measure(settings: Settings) -> Tuning:
    """Load the model of these settings and try batch sizes up to asr.batch_seconds.

    Raises:
        ModelUnavailable: there is none.
    """
    paths = Paths.resolve(settings)
    models = registry.resolve(settings.asr, paths.models)
    engine = Engine(models, settings.asr.cpu_threads)
    engine.place(settings.asr.device)
    return tuning.measure(
        lambda batch: engine.recognise(batch, None),
        warmup.first_recording(),
        settings.asr.batch_seconds,
    )


def recommended(found: Tuning, settings: Settings) -> str:
    """The limits for this machine, as the configuration takes them."""
    places = found.speed * _WAIT_SECONDS / _RECORDING_SECONDS
    length = min(_MOST, max(_FEWEST, round(places)))
    waiting = round(found.speed * settings.limits.request_timeout_seconds * _DEADLINE_SHARE)
    return (
        "asr:\n"
        f"  batch_seconds: {max(2.0, found.useful_seconds):g}\n"
        "limits:\n"
        f"  queue_length: {length}\n"
        f"  queue_audio_seconds: {max(1, waiting)}\n"
    )
