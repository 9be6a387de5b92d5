#!/usr/bin/env python3
"""Puts small faults into a copy of the product, one at a time, and says which no test notices.

    .venv/bin/python tools/mutate.py            all, and the table of docs/testing.md
    .venv/bin/python tools/mutate.py 40         so many, chosen by --seed
    .venv/bin/python tools/mutate.py alerts     those of a folder, or with this in their name

Exit code 1 when a fault survived that was thought to be noticed, or could not be tried.
`./tests/run --mutants` is the same; `--all` tries a sample (tests/mutants/).
"""

from __future__ import annotations

import argparse
import os
import random
import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from mutating import faults, page, trial
from mutating.faults import Fault
from mutating.trial import Outcome, Verdict

_SHOWN_LINES = 15


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("which", nargs="?", help="a number, a folder or a part of a name")
    parser.add_argument("--seed", default="0", help="chooses the sample")
    parser.add_argument("--runners", type=int, default=min(2, os.cpu_count() or 1))
    parser.add_argument("--new-list", type=Path, help="a folder of lists, instead of ours")
    parser.add_argument("--verbose", action="store_true", help="what pytest wrote, too")
    options = parser.parse_args(arguments)
    listed = faults.read(options.new_list or faults.FOLDER)
    if wrong := faults.problems(listed):
        print("\n".join(wrong), file=sys.stderr)
        return 2
    chosen = _choose(listed, options.which, options.seed)
    trial.import_first()
    well, words = trial.passes(test for fault in chosen for test in fault.tests)
    if not well:
        print(words, "\nthese tests fail without a fault", sep="\n", file=sys.stderr)
        return 2
    outcomes = []
    for outcome in trial.each(chosen, options.runners):
        outcomes.append(outcome)
        _say(outcome, verbose=options.verbose)
    print(page.table(outcomes), end="")
    print(f"{sum(one.cpu_seconds for one in outcomes):.0f} s of CPU")
    if options.which is None and options.new_list is None:
        page.write(outcomes)
    unknown = [x for x in outcomes if x.verdict is not Verdict.CAUGHT and not x.fault.survives]
    return 1 if unknown else 0


def _choose(listed: Sequence[Fault], which: str | None, seed: str) -> Sequence[Fault]:
    if which is None:
        return listed
    if which.isdigit():
        quick = [fault for fault in listed if not fault.is_slow and not fault.survives]
        return random.Random(seed).sample(quick, min(int(which), len(quick)))
    return [fault for fault in listed if which == fault.folder or which in fault.name]


def _say(outcome: Outcome, *, verbose: bool) -> None:
    fault = outcome.fault
    print(
        f"{outcome.verdict.value:8} {outcome.cpu_seconds:5.1f} s  {fault.folder}: {fault.name}",
        flush=True,
    )
    if verbose or outcome.verdict in (Verdict.BROKEN, Verdict.LATE):
        print("\n".join(outcome.words.splitlines()[-_SHOWN_LINES:]), flush=True)


if __name__ == "__main__":
    sys.exit(main())
