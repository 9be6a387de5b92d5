"""`seacod bench ...`: runs a bench and prints its figures."""

from __future__ import annotations

import dataclasses
import json
from importlib import resources
from pathlib import Path

from seacod.errors import EX_OK

_EXAMPLES = "models/builtin/examples"


def restart(model: str, rounds: int, *, as_json: bool) -> int:
    """Time to the first right transcription after a kill: cold, and with a spare."""
    from seacod.bench import restart as bench

    recording, text = _recording()
    figures = bench.measure(model, rounds, recording, text if model == "builtin" else None)
    if as_json:
        print(json.dumps({**dataclasses.asdict(figures), "ratio": figures.ratio}))
        return EX_OK
    print(f"from SIGKILL of the worker to the first right transcription, {rounds} rounds each")
    print(f"  without a spare  {_seconds(figures.cold_seconds)}")
    print(f"  with a spare     {_seconds(figures.spare_seconds)}")
    print(f"  ratio of medians {figures.ratio:.3f}")
    return EX_OK


def supervisor(model: str, seconds: float, *, as_json: bool) -> int:
    """Memory and processor time of the supervisor of an idle service."""
    from seacod.bench import supervisor as bench

    figures = bench.measure(model, seconds)
    if as_json:
        print(json.dumps(dataclasses.asdict(figures)))
        return EX_OK
    print(f"supervisor of an idle service, over {figures.measured_seconds:.0f} s")
    print(f"  resident memory  {figures.resident_bytes / 1e6:.1f} MB")
    print(f"  processor        {figures.processor_share:.2%} of one core")
    print(f"  its worker       {figures.worker_resident_bytes / 1e6:.0f} MB resident")
    return EX_OK


def _recording() -> tuple[Path, str]:
    """A shipped recording and what it says."""
    examples = Path(str(resources.files("seacod").joinpath(_EXAMPLES)))
    first = json.loads((examples / "examples.json").read_text("utf-8"))[0]
    return examples / first["file"], str(first["text"])


def _seconds(times: tuple[float, ...]) -> str:
    return "  ".join(f"{time:6.2f} s" for time in times)
