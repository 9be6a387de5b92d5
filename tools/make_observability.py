#!/usr/bin/env python3
"""Makes what is generated for Prometheus and Grafana, and says what is not up to date.

    .venv/bin/python tools/make_observability.py           write
    .venv/bin/python tools/make_observability.py --check   exit 1 if anything would change

The dashboard (seacod/observability/seacod.json, what `seacod dashboard` prints) from
tools/observability/views.py; docs/metrics.md from seacod/metrics.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tools"))

from observability import catalogue, dashboard  # noqa: E402

FILES = {
    ROOT / "seacod/observability/seacod.json": dashboard.make,
    # What Grafana provisions from a checkout (etc/observability/compose.yaml).
    ROOT / "etc/grafana/dashboards/seacod.json": dashboard.make,
    ROOT / "docs/metrics.md": catalogue.page,
}


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args()
    stale = 0
    for path, make in FILES.items():
        fresh = make()
        if path.exists() and path.read_text("utf-8") == fresh:
            continue
        stale += 1
        if options.check:
            print(f"{path.relative_to(ROOT)} is not up to date: run tools/make_observability.py")
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(fresh, "utf-8")
            print(f"{path.relative_to(ROOT)} written")
    return 1 if options.check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
