"""The fixture `live`: one real service, supervisor and worker, for all tests that talk HTTP."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from supervised import MAX_AUDIO_SECONDS, MAX_UPLOAD_BYTES, QUEUE_LENGTH, Service


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
