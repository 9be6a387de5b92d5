#!/usr/bin/env python3
"""Makes every file that is generated, and says which are not up to date.

    .venv/bin/python tools/make_generated.py           write
    .venv/bin/python tools/make_generated.py --check   exit 1 if anything would change

The dashboard from tools/observability/views.py; docs/metrics.md from seacod/metrics;
etc/seacod.yaml and docs/configuration.md from seacod/config; etc/haproxy/haproxy.cfg from what
`seacod haproxy` prints; the formats in README, docs/api.md, docs/page.md and docs/clients.md from
seacod/formats; the secrets in docs/security.md, and of systemd/ what follows from seacod/config
and seacod/accelerators; the man page and the completion of shells from seacod/cli; what
`seacod runbook` prints from docs/operations.md. Of the pages in docs/zh the same.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tools"))

from documents import balancer, completion, configuration, formats, man, unit  # noqa: E402
from observability import catalogue, dashboard  # noqa: E402

from seacod.config import render  # noqa: E402

FILES = {
    "seacod/metrics/dashboard.json": dashboard.make,
    # What Grafana provisions from a checkout (etc/observability/compose.yaml).
    "etc/grafana/dashboards/seacod.json": dashboard.make,
    "docs/metrics.md": catalogue.page,
    "etc/seacod.yaml": render.example,
    "etc/haproxy/haproxy.cfg": balancer.example,
    "docs/configuration.md": configuration.page,
    "docs/zh/configuration.md": configuration.chinese_page,
    # Only their tables of formats.
    "docs/api.md": formats.page,
    "docs/zh/api.md": formats.chinese_page,
    # Only which formats there are.
    "README.md": lambda: formats.with_files("README.md", 0),
    "docs/zh/README.md": lambda: formats.with_files("docs/zh/README.md", 1),
    "docs/page.md": lambda: formats.with_files("docs/page.md", 0),
    "docs/zh/page.md": lambda: formats.with_files("docs/zh/page.md", 1),
    "docs/clients.md": formats.clients,
    # Only their tables of secrets.
    "docs/security.md": unit.security,
    "docs/zh/security.md": unit.chinese_security,
    # Only what stands there between marks.
    "systemd/seacod.service": unit.service,
    "systemd/memory-limits": unit.memory_limits,
    # For `seacod runbook`.
    "seacod/alerts/runbook.md": (ROOT / "docs/operations.md").read_text,
    "seacod/alerts/runbook.zh.md": (ROOT / "docs/zh/operations.md").read_text,
    "docs/man/seacod.1": man.page,
    "etc/completion/seacod.bash": lambda: completion.script("bash"),
    "etc/completion/_seacod": lambda: completion.script("zsh"),
}


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args()
    stale = 0
    for name, make in FILES.items():
        path, fresh = ROOT / name, make()
        if path.exists() and path.read_text("utf-8") == fresh:
            continue
        stale += 1
        if options.check:
            print(f"{name} is not up to date: run tools/make_generated.py")
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(fresh, "utf-8")
            print(f"{name} written")
    return 1 if options.check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
