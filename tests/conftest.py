"""The fixture `live`: one real service, supervisor and worker, for all tests that talk HTTP. And
the page of the fault drills, written with --faults-page."""

from __future__ import annotations

import dataclasses
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest
import runs
from drills import FaultsPage, Row
from receivers import MailServer, Robot, certificate
from supervised import MAX_AUDIO_SECONDS, MAX_UPLOAD_BYTES, QUEUE_LENGTH, Service

# How long an example takes says how busy the machine is.
for name, examples in (("every change", 30), ("all", 60)):
    hypothesis.settings.register_profile(
        name,
        deadline=None,
        max_examples=examples,
        suppress_health_check=[hypothesis.HealthCheck.too_slow],
    )


@pytest.fixture(scope="session")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    service = Service(tmp_path_factory.mktemp("live"))
    service.configure(
        # In one test nginx stands in front of it; in another the browser knows it by a name.
        server={"page": "on", "trusted_proxies": "127.0.0.1", "allowed_hosts": "plain.example"},
        asr={"tune": "auto"},
        limits={
            "max_audio_seconds": MAX_AUDIO_SECONDS,
            "max_upload_bytes": MAX_UPLOAD_BYTES,
            "queue_length": QUEUE_LENGTH,
        },
    )
    with service.running():
        yield service


@pytest.fixture
def robot() -> Iterator[Robot]:
    """A receiver of webhooks."""
    one = Robot()
    yield one
    one.stop()


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for `localhost` that is its own authority."""
    return certificate(tmp_path_factory.mktemp("certificate"), "localhost")


@pytest.fixture
def mail_server(authority: Path) -> Iterator[MailServer]:
    """A real SMTP server (aiosmtpd) that takes mail, or fails as told."""
    server = MailServer(authority)
    server.start()
    yield server
    server.stop()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 16 MiB."""
    if os.geteuid() != 0:
        pytest.skip("only root can mount a small file system")
    mounted = tmp_path / "disk"
    mounted.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", str(mounted)], check=True)
    yield mounted
    subprocess.run(["umount", "-l", str(mounted)], check=True)


def pytest_configure(config: pytest.Config) -> None:
    """Before any test is imported, whose settings are made from these."""
    hypothesis.settings.load_profile("all" if config.getoption("all") else "every change")


def pytest_addoption(parser: pytest.Parser) -> None:
    runs.add_options(parser)
    parser.addoption(
        "--faults-page", type=Path, help="write what the fault drills saw to this file"
    )


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    return runs.is_left_out(collection_path, config) or None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    runs.arrange(config, items)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> runs.Scheduling:
    config.option.loadscopereorder = False
    return runs.Scheduling(config, log)


_PAGE = FaultsPage()


@pytest.fixture(scope="session")
def faults_page() -> FaultsPage:
    """Where the drills write what they saw."""
    return _PAGE


def pytest_sessionfinish(session: pytest.Session) -> None:
    """What the drills saw goes to the page; from a process of several, to the one that has it."""
    told = getattr(session.config, "workeroutput", None)
    file = session.config.getoption("--faults-page")
    if told is not None:
        told["faults"] = [dataclasses.asdict(row) for row in _PAGE.rows]
    elif file is not None and _PAGE.rows:
        _PAGE.write(file)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """One process of several has ended (pytest-xdist)."""
    _PAGE.rows += [Row(**row) for row in getattr(node, "workeroutput", {}).get("faults", [])]
