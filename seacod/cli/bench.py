"""`seacod bench ...`: runs a bench and prints its figures."""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from seacod.errors import EX_OK
from seacod.proving import sounds


def restart(model: str, rounds: int, *, as_json: bool) -> int:
    """Time to the first right transcription after a kill: cold, and with a spare."""
    from seacod.proving.bench import restart as bench

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
    from seacod.proving.bench import supervisor as bench

    figures = bench.measure(model, seconds)
    if as_json:
        print(json.dumps(dataclasses.asdict(figures)))
        return EX_OK
    print(f"supervisor of an idle service, over {figures.measured_seconds:.0f} s")
    print(f"  resident memory  {figures.resident_bytes / 1e6:.1f} MB")
    print(f"  processor        {figures.processor_share:.2%} of one core")
    print(f"  its worker       {figures.worker_resident_bytes / 1e6:.0f} MB resident")
    return EX_OK


def throughput(
    model: str, device: str, clients: list[int], seconds: float, output: Path | None, *,
    as_json: bool,
) -> int:  # fmt: skip
    """Ours beside the plain Gradio app and FunASR's own server."""
    from seacod.config.schema import Settings
    from seacod.models import registry
    from seacod.paths import Paths
    from seacod.proving.bench import peers
    from seacod.proving.bench import throughput as bench

    settings = Settings.model_validate({"asr": {"model": model, "device": device}})
    directory = registry.resolve(settings.asr, Paths.resolve(settings).models).asr
    theirs = "cuda:0" if device.startswith("cuda") else "cpu"

    def tell(f: bench.ThroughputFigures) -> None:
        if not as_json:
            print(
                f"{f.peer:17} {f.clients:7} {f.audio_per_second:11.1f} {f.p50:8.2f} {f.p95:8.2f} "
                f"{f.p99:8.2f} {f.errors:7} {f.health_p99 * 1000:10.1f}",
                flush=True,
            )

    if not as_json:
        print(f"{bench.RECORDING_SECONDS:g} s recordings, {seconds:g} s a run, model {model}")
        print("peer              clients audio s / s    p50 s    p95 s    p99 s  errors  health ms")
    figures = bench.measure(
        [
            lambda: peers.seacod(model, device),
            lambda: peers.plain_gradio(directory, theirs),
            lambda: peers.funasr_server(directory, theirs),
        ],
        clients,
        seconds,
        tell,
    )
    ratios = bench.ratios(figures)
    found = {
        "model": model,
        "recording_seconds": bench.RECORDING_SECONDS,
        "run_seconds": seconds,
        "figures": [dataclasses.asdict(one) for one in figures],
        "ratios": ratios,
    }
    if output is not None:
        output.mkdir(parents=True, exist_ok=True)
        (output / "throughput.json").write_text(json.dumps(found, indent=1) + "\n", "utf-8")
        (output / "throughput.svg").write_text(bench.chart(figures), "utf-8")
    if as_json:
        print(json.dumps(found))
        return EX_OK
    for count, by_peer in ratios.items():
        words = ", ".join(f"{ratio:.2f} x {peer}" for peer, ratio in by_peer.items())
        print(f"{count:3} clients: {words}")
    return EX_OK


def engine(config: Path | None, model: str | None, *, tune: bool, as_json: bool) -> int:
    """What each batch size costs; with `tune`, what to configure."""
    from seacod import logs
    from seacod.config import load_settings
    from seacod.proving.bench import engine as bench

    settings = load_settings(config, options={"asr.model": model})
    # To standard error: what is printed here may go into a configuration file.
    logs.configure(settings.log.model_copy(update={"file": None}), "client")
    found = bench.measure(settings)
    if as_json:
        print(json.dumps(dataclasses.asdict(found)))
        return EX_OK
    if not tune:
        print("padded seconds   seconds taken   audio s / s")
        for padded, taken in found.measured:
            print(f"{padded:14.0f} {taken:15.3f} {padded / taken:13.1f}")
        print(f"nothing is gained beyond {found.useful_seconds:g} padded seconds")
        return EX_OK
    # Comments, so that all of it can go into a configuration file.
    for padded, taken in found.measured:
        print(f"# {padded:5.0f} padded seconds: {taken:.3f} s, {padded / taken:.1f} audio s / s")
    print(bench.recommended(found, settings), end="")
    return EX_OK


def long_audio(model: str, hours: float, *, as_json: bool) -> int:
    """The worker's peak memory for a long recording beside a short one."""
    from seacod.proving.bench import long_audio as bench

    figures = bench.measure(model, hours)
    if as_json:
        print(json.dumps({**dataclasses.asdict(figures), "ratio": figures.ratio}))
        return EX_OK
    print("resident memory of the worker, at its peak")
    print(f"  {figures.short_seconds / 60:5.0f} min   {figures.short_peak_bytes / 1e6:6.0f} MB")
    print(f"  {figures.long_seconds / 60:5.0f} min   {figures.long_peak_bytes / 1e6:6.0f} MB")
    print(f"  ratio       {figures.ratio:.3f}")
    print(
        f"  the long one took {figures.long_took_seconds:.0f} s "
        f"({figures.long_seconds / figures.long_took_seconds:.0f} audio s / s), "
        f"{figures.long_characters} characters"
    )
    return EX_OK


def live(model: str, device: str, microphones: Sequence[int], rounds: int, *, as_json: bool) -> int:
    """How long people at microphones wait for their words."""
    from seacod.proving.bench import live as bench

    found = bench.measure(model, device, microphones, rounds)
    if as_json:
        print(json.dumps([dataclasses.asdict(figures) for figures in found]))
        return EX_OK
    print("seconds, over all sentences           first guess        after the last sound")
    print("microphones  sentences  missing       p50    p95         p50    p95    max")
    for f in found:
        print(
            f"{f.microphones:11} {f.sentences:10} {f.missing:8}    {f.guess_p50:6.2f} "
            f"{f.guess_p95:6.2f}      {f.final_p50:6.2f} {f.final_p95:6.2f} {f.final_max:6.2f}"
        )
    return EX_OK


def scaling(
    model: str, device: str, workers: Sequence[int], threads: int, clients: int, seconds: float,
    rounds: int, output: Path | None, *, as_json: bool,
) -> int:  # fmt: skip
    """What another worker is worth."""
    from seacod.proving.bench import scaling as bench

    def tell(text: str) -> None:
        print(text, file=sys.stderr, flush=True)

    found = bench.measure(model, device, workers, threads, clients, seconds, rounds, tell)
    first = found[0].audio_per_second
    body = {
        "model": model, "threads": threads, "clients": clients, "run_seconds": seconds,
        "figures": [dataclasses.asdict(one) for one in found],
        "ratios": {one.workers: round(one.audio_per_second / first, 3) for one in found},
    }  # fmt: skip
    if output is not None:
        output.mkdir(parents=True, exist_ok=True)
        (output / "scaling.json").write_text(json.dumps(body, indent=1) + "\n", "utf-8")
    if as_json:
        print(json.dumps(body))
        return EX_OK
    print("workers  audio s / s   ratio    p50 s    p95 s   errors")
    for one in found:
        print(
            f"{one.workers:7} {one.audio_per_second:12.1f} {one.audio_per_second / first:7.2f} "
            f"{one.p50:8.2f} {one.p95:8.2f} {one.errors:8}"
        )
    return EX_OK


def _recording() -> tuple[Path, str]:
    """A shipped recording and what it says."""
    first = sounds.examples()[0]
    return sounds.DIRECTORY / first["file"], str(first["text"])


def _seconds(times: tuple[float, ...]) -> str:
    return "  ".join(f"{time:6.2f} s" for time in times)
