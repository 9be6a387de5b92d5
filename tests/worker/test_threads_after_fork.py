"""A nursery has recognised, on one thread; whoever is forked from it may use more."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
import sounds
from supervised import Service

from seacod.client import RetryPolicy


@pytest.mark.full
def test_worker_after_worker_recognises_on_two_threads(tmp_path: Path) -> None:
    service = Service(tmp_path)
    service.configure(asr={"cpu_threads": 2})
    service.start()
    try:
        for _ in range(4):
            with service.client(RetryPolicy(tries=100, pause_seconds=0.05)) as client:
                text = client.transcribe(sounds.SPEECH).text
            assert text == sounds.SPEECH_TEXT
            # Whoever was forked needs none of its own to be ready.
            assert service.log_text().count("model_warmed_up") == 1
            os.kill(service.worker_pid(), signal.SIGKILL)
    finally:
        service.kill()
