"""The fixture `live`: one real service, supervisor and worker, for all tests that talk HTTP."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from supervised import Service

# Small enough to be reached in a test; the messages name whatever is configured.
MAX_AUDIO_SECONDS = 60
MAX_UPLOAD_BYTES = 3 * 1024 * 1024
QUEUE_LENGTH = 3


@pytest.fixture(scope="session")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    service = Service(tmp_path_factory.mktemp("live"))
    service.configure(
        limits={
            "max_audio_seconds": MAX_AUDIO_SECONDS,
            "max_upload_bytes": MAX_UPLOAD_BYTES,
            "queue_length": QUEUE_LENGTH,
        }
    )
    yield service.start()
    service.kill()
