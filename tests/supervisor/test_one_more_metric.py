"""One more metric is one more line: a copy of the package gets it, and whatever shows metrics has
it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from package_copy import copy_of_package, replace_once, run_with, running
from supervised import ROOT, StandIn

# Of a worker, of a supervisor, of the moment of a scrape: file, the line before, the new one.
LINES = (
    (
        "metrics/worker.py",
        '        self.files = counter("asr_processed_files", "Recordings transcribed")\n',
        '        self.more = counter("asr_more_for_once", "More of the worker")\n',
    ),
    (
        "metrics/supervisor.py",
        "        self._delivered: dict[tuple[str, str], int] = {}\n",
        '        self.more = counter("seacod_more_for_once", "More of the supervisor")\n',
    ),
    (
        "supervisor/scrape.py",
        "FIGURES: tuple[PresentFigure[ServiceView], ...] = (\n",
        '    PresentFigure("seacod_more_now", "More of the moment", lambda view: 7),\n',
    ),
)
SEEN = {
    "asr_more_for_once_total": ("counter", "More of the worker", "0.0"),
    "seacod_more_for_once_total": ("counter", "More of the supervisor", "0.0"),
    "seacod_more_now": ("gauge", "More of the moment", "7.0"),
}


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    copy = copy_of_package(tmp_path_factory.mktemp("copy"))
    for name, before, line in LINES:
        replace_once(copy / "seacod" / name, before, before + line)
    return copy


@pytest.fixture(scope="module")
def grown(copy: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[StandIn]:
    with running(StandIn(tmp_path_factory.mktemp("grown")), copy) as service:
        yield service


@pytest.mark.parametrize("name", SEEN)
def test_a_metric_is_on_the_page_for_prometheus(grown: StandIn, name: str) -> None:
    kind, text, value = SEEN[name]
    page = grown.metrics()
    assert f"# HELP {name} {text}\n# TYPE {name} {kind}\n{name} {value}\n" in page


def test_a_metric_is_in_the_document_and_can_be_asked_for(copy: Path) -> None:
    page, names = run_with(
        copy,
        "-c",
        f"""
import sys
sys.path.insert(0, {str(ROOT / "tools")!r})
from observability import catalogue
print(catalogue.page(), "\\0", *sorted(catalogue.series_names()))
""",
    ).split("\0")
    for name, (kind, text, _) in SEEN.items():
        assert f"| `{name}` | {kind} |  | {text} |" in page
    assert set(SEEN) <= set(names.split())
