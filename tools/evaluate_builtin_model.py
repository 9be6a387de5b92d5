#!/usr/bin/env python3
"""Measures the built-in model again: error rates on held-out voices and held-out hotwords.

    python tools/evaluate_builtin_model.py [DIRECTORY] [--json]

Takes about a minute on two cores. Needs espeak-ng (Debian) and seacod's own requirements.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from builtin_model import describe, evaluate

ROOT = Path(__file__).resolve().parents[1]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("directory", type=Path, nargs="?", default=ROOT / "seacod/models/builtin")
    parser.add_argument("--json", action="store_true", help="everything, as one JSON object")
    options = parser.parse_args()
    measured = evaluate.examine(options.directory)
    if options.json:
        print(json.dumps(measured, ensure_ascii=False, indent=1))
    else:
        print(describe.table(measured))


if __name__ == "__main__":
    main()
