"""A real SMTP server (aiosmtpd) that takes mail, or fails as told."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from receivers import MailServer, certificate


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for `localhost` that is its own authority."""
    return certificate(tmp_path_factory.mktemp("certificate"), "localhost")


@pytest.fixture
def mail_server(authority: Path) -> Iterator[MailServer]:
    server = MailServer(authority)
    server.start()
    yield server
    server.stop()
