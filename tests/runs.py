"""Which tests belong to which run, and which of them may not run beside each other.

`./tests/run` is what a newcomer and every change runs: everything that makes the promises.
`./tests/run --all` adds what is in `FULL`, and every test marked `full`. What is named on the
command line is run whatever it is. Tests run in several processes at once (pytest-xdist): those of
one file stay together, and so do those of one group.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from xdist.scheduler import LoadScopeScheduling

HERE = Path(__file__).parent

# Containers, packages, a browser, archives on Ray, a real Prometheus, big models: by folder.
FULL = ("system", "browser", "archive", "observability", "full_size", "image")
# Files that share what there is only once: the container with its ports, a network, a database.
GROUPS = {
    "system/test_haproxy.py": "haproxy",
    "system/test_network_cut.py": "haproxy",
    "system/test_try.py": "try",
    "system/test_packages.py": "container",
    "system": "container",
}
# What takes longest begins first, so that no process waits for it at the end.
FIRST = (
    "container",
    "image/test_container_image.py",
    "worker/test_bench.py",
    "archive/test_archive_on_ray.py",
    "operating/test_soak_command.py",
    "full_size/test_full_size.py",
    "mutants/test_sample_of_faults.py",
    "faults/test_drills.py",
    "operating/test_attack.py",
    "worker/test_decoders.py",
    "faults/test_environment_drills.py",
    "haproxy",
    "jobs/test_two_nodes.py",
    "faults/test_job_drills.py",
    "worker/test_models.py",
    "worker/test_builtin_model.py",
    "worker/test_funasr_library.py",
    "worker/test_random_containers.py",
    "worker/test_live.py",
    "worker/test_no_page.py",
    "faults/test_start_drills.py",
    "operating/test_drill_command.py",
    "worker/test_transcribe_command.py",
    "jobs/test_job_durability.py",
    "browser/test_page.py",
    "gpu/test_gpu_service.py",
    "supervisor/test_upkeep.py",
    "worker/test_long_audio.py",
    "observability/test_prometheus.py",
)


def add_options(parser: pytest.Parser) -> None:
    """`--all`."""
    parser.addoption("--all", action="store_true", help="also containers, browser, long drills ...")


def is_left_out(path: Path, config: pytest.Config) -> bool:
    """Whether a folder is not even looked at: its files import a browser's driver and more."""
    return path.parent == HERE and path.name in FULL and not _is_whole(config)


def arrange(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Take out what this run leaves to `--all`, and put the longest first."""
    if not _is_whole(config):
        left_out = [item for item in items if _is_full(item)]
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if not _is_full(item)]
    items.sort(key=lambda item: _rank(_group(_place(item))))


class Scheduling(LoadScopeScheduling):  # type: ignore[misc]
    """Hands out groups; the number of tests in one says nothing of how long they take."""

    def _split_scope(self, nodeid: str) -> str:
        return _group(nodeid.partition("::")[0].removeprefix(f"{HERE.name}/"))


def _is_whole(config: pytest.Config) -> bool:
    """Whether nothing is left to `--all`: it is asked for, or something is named."""
    return config.getoption("all") or any(
        Path(str(one).partition("::")[0]).exists()
        for one in config.invocation_params.args
        if not str(one).startswith("-")
    )


def _place(item: pytest.Item) -> str:
    return item.path.relative_to(HERE).as_posix()


def _is_full(item: pytest.Item) -> bool:
    return item.get_closest_marker("full") is not None or _place(item).partition("/")[0] in FULL


def _group(place: str) -> str:
    return GROUPS.get(place) or GROUPS.get(place.partition("/")[0]) or place


def _rank(group: str) -> int:
    return FIRST.index(group) if group in FIRST else len(FIRST)
