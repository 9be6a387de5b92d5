#!/usr/bin/env python3
"""Makes the built-in model from nothing but espeak-ng and a seed.

    python tools/train_builtin_model.py --work build/builtin-model

Takes about two hours on two cores. Stages that are done are not done again; a broken-off one goes
on from its last checkpoint. Needs: espeak-ng (Debian) and seacod's own requirements.
"""

from __future__ import annotations

import argparse
import pickle
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

import torch

from builtin_model import (
    batches,
    corpus,
    describe,
    evaluate,
    examples,
    export,
    hotword_training,
    listening,
    network,
    vocabulary,
)
from builtin_model.hotword_task import MOST_OFFERED, Lesson

ROOT = Path(__file__).resolve().parents[1]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--work", type=Path, default=ROOT / "build" / "builtin-model")
    parser.add_argument("--out", type=Path, default=ROOT / "seacod" / "models" / "builtin")
    parser.add_argument("--seed", type=int, default=20261121)
    parser.add_argument("--utterances", type=int, default=24_000)
    parser.add_argument("--listening-steps", type=int, default=5_000)
    parser.add_argument("--voices-steps", type=int, default=4_000)
    parser.add_argument("--hotword-steps", type=int, default=5_000)
    parser.add_argument("--spelling-steps", type=int, default=3_500)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    vocabulary.check()
    torch.manual_seed(options.seed)
    torch.set_num_threads(options.threads)
    options.work.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()

    utterances = _corpus(options)
    norm = _normalisation(options, utterances)
    model = network.build()
    # Round 1 learns to hear at all; round 2, gentler, learns to hear voices unlike those of the
    # corpus, whose formants it moves about.
    rounds = (
        ("listening", options.listening_steps, 2e-3, False),
        ("voices", options.voices_steps, 1e-3, True),
    )
    for number, (name, steps, peak_rate, warp) in enumerate(rounds):
        done = options.work / f"{name}.pt"
        if not done.exists():
            weights = listening.train_listening(
                model, utterances, norm, name=name, seed=options.seed + number, steps=steps,
                frames=3500,
                checkpoint=options.work / f"{name}-checkpoint.pt", peak_rate=peak_rate, warp=warp,
            )  # fmt: skip
            torch.save(weights, done)
        model.load_state_dict(torch.load(done, weights_only=True))
        export.write(options.out, model, norm)

    # Round 1 learns what a list is for, from short ones to long ones; round 2 to spell: it turns
    # about the characters whose sound has several.
    spelled = (
        ("hotwords", options.hotword_steps, Lesson(), 0.0),
        ("spelling", options.spelling_steps, Lesson(MOST_OFFERED), 0.8),
    )
    cached: list[hotword_training.Cached] | None = None
    for number, (name, steps, lesson, focus) in enumerate(spelled):
        done = options.work / f"{name}.pt"
        if not done.exists():
            if cached is None:
                print("computing what the frozen part hears", flush=True)
                cached = hotword_training.cache(model, utterances, norm)
            if number == 0:
                hotword_training.begin(model)
            weights = hotword_training.train_hotwords(
                model, cached, name=name, seed=options.seed + number, steps=steps, rows=48,
                checkpoint=options.work / f"{name}-checkpoint.pt", lesson=lesson, focus=focus,
            )  # fmt: skip
            torch.save(weights, done)
        model.load_state_dict(torch.load(done, weights_only=True))
        export.write(options.out, model, norm)
    minutes = (time.monotonic() - began) / 60
    print(f"trained in {minutes:.0f} min; making examples and measuring", flush=True)
    examples.write(options.out)
    measured = evaluate.examine(options.out)
    facts = {
        "seed": options.seed,
        "utterances": options.utterances,
        "listening_steps": options.listening_steps,
        "voices_steps": options.voices_steps,
        "hotword_steps": options.hotword_steps,
        "spelling_steps": options.spelling_steps,
        "threads": options.threads,
    }
    describe.write(options.out, measured, facts)
    print(describe.table(measured))
    print(f"done: {options.out}")


def _corpus(options: argparse.Namespace) -> list[corpus.Utterance]:
    """The corpus, made once and kept."""
    file = options.work / f"corpus-{options.seed}-{options.utterances}.pickle"
    if file.exists():
        with file.open("rb") as stream:
            kept: list[corpus.Utterance] = pickle.load(stream)  # noqa: S301  # written below
            return kept
    utterances: list[corpus.Utterance] = []
    for piece in corpus.make(options.seed, options.utterances, options.threads):
        utterances += piece
        if len(utterances) // 200 % 10 == 0:
            print(f"corpus: {len(utterances)} of {options.utterances} utterances", flush=True)
    partial = file.with_suffix(".partial")
    with partial.open("wb") as stream:
        pickle.dump(utterances, stream, protocol=5)
    partial.rename(file)
    return utterances


def _normalisation(
    options: argparse.Namespace, utterances: list[corpus.Utterance]
) -> batches.Normalisation:
    file = options.work / "normalisation.pt"
    if not file.exists():
        norm = batches.Normalisation.of(utterances[:3000])
        torch.save([norm.mean, norm.deviation], file)
    return batches.Normalisation(*torch.load(file, weights_only=True))


if __name__ == "__main__":
    main()
