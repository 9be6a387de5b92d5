"""What `seacod bench gpu` tries in processes of their own, so that the GPU is used for the first
time in each: `python -m seacod.proving.gpu_process WHAT ...`; what comes out is JSON.
"""

from __future__ import annotations

import json
import os
import select
import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from seacod.proving.processor import own_bytes

if TYPE_CHECKING:
    import torch

    from seacod.accelerators.base import Accelerator
    from seacod.asr.recognisers.base import Recogniser

_LEAST_BYTES, _LOOK_SECONDS = 4 << 20, 0.02


def main() -> None:
    what, *rest = sys.argv[1:]
    known: dict[str, Callable[..., None]] = {
        "install": _install, "load": _load, "fork": _fork, "neighbour": _neighbour,
    }  # fmt: skip
    known[what](*rest)


def _tell(**facts: Any) -> None:
    print(json.dumps(facts), flush=True)


def _install(device: str) -> None:
    """Whether PyTorch computes on the device, and right."""
    import torch

    ours = torch.arange(512, dtype=torch.float32).reshape(16, 32) / 512
    there = ours.to(device)
    error = (there @ there.T).cpu() - ours @ ours.T
    accelerator = _accelerator(device)
    _tell(
        torch=torch.__version__,
        **accelerator.versions(),
        hardware=accelerator.hardware(device),
        greatest_error=float(error.abs().max()),
    )


def _load(model: str, device: str, precision: str) -> None:
    """Load, place, hear: seconds and memory of each."""
    began = time.monotonic()
    engine = _engine(model)
    loaded = time.monotonic()
    engine.place(device, precision)
    placed = time.monotonic()
    first = _hear(engine)
    second = _hear(engine)
    _tell(
        precision=engine.precision,
        load_seconds=loaded - began,
        place_seconds=placed - loaded,
        first_text_seconds=first,
        second_text_seconds=second,
        gpu_reserved_bytes=engine.reserved_bytes(),
        private_bytes=own_bytes(os.getpid()),
    )


def _fork(model: str, device: str, precision: str) -> None:
    """A parent that has loaded and never used the GPU; children place and hear, one by one,
    then two at once."""
    engine = _engine(model)
    alone = [_wait(*_child(engine, device, precision)) for _ in range(2)]
    together = [_child(engine, device, precision) for _ in range(2)]
    _tell(one_after_the_other=alone, at_once=[_wait(*child) for child in together])


def _child(engine: Recogniser, device: str, precision: str) -> tuple[int, int]:
    reading, writing = os.pipe()
    began = time.monotonic()
    if pid := os.fork():
        os.close(writing)
        return pid, reading
    code = 1
    try:
        engine.place(device, precision)
        _hear(engine)
        os.write(writing, f"{time.monotonic() - began}".encode())
        code = 0
    finally:
        os._exit(code)


def _wait(pid: int, reading: int) -> float:
    """Seconds until its first text; raises when it ended without."""
    with os.fdopen(reading) as told:
        seconds = float(told.read() or "nan")
    os.waitpid(pid, 0)
    if seconds != seconds:
        raise RuntimeError("a forked child ended without a text")
    return seconds


def _neighbour(device: str, left_bytes: str) -> None:
    """Take all memory of the device but so much, also what others give back, until standard input
    ends."""
    kept = [_taken(device, int(left_bytes))]
    _tell(taken_bytes=kept[0].numel(), free_bytes=_accelerator(device).free_bytes(device))
    while not select.select([sys.stdin], [], [], _LOOK_SECONDS)[0]:
        kept.append(_taken(device, int(left_bytes)))


def _taken(device: str, left_bytes: int) -> torch.Tensor:
    import torch

    accelerator = _accelerator(device)
    more = accelerator.free_bytes(device) - left_bytes
    try:
        return torch.empty(more if more > _LEAST_BYTES else 0, dtype=torch.uint8, device=device)
    except accelerator.out_of_memory():
        # Somebody was quicker.
        return torch.empty(0)


def _accelerator(device: str) -> Accelerator:
    from seacod.accelerators.registry import of_device

    accelerator = of_device(device)
    assert accelerator is not None, "asked of GPUs only"
    return accelerator


def _engine(model: str) -> Recogniser:
    from seacod.asr.recognisers import registry as recognisers
    from seacod.config.schema import Settings
    from seacod.models import registry
    from seacod.paths import Paths

    settings = Settings.model_validate({"asr": {"model": model}})
    models = registry.resolve(settings.asr, Paths.resolve(settings).models)
    # One thread: a parent that has run more of OpenMP's leaves children that hang.
    return recognisers.load(models, 1)


def _hear(engine: Recogniser) -> float:
    from seacod.asr import warmup

    speech = warmup.first_recording()
    began = time.monotonic()
    engine.recognise([speech])
    return time.monotonic() - began


if __name__ == "__main__":
    main()
