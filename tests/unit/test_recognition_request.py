"""What a request says of itself: how long it may be and take, what is left, how it is called."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from seacod.asr.hotwords import Hotwords
from seacod.asr.request import RecordingRequest
from seacod.config.limits import LimitSettings


def recording(name: str = "", **limits: Any) -> RecordingRequest:
    return RecordingRequest(
        "someone", Hotwords(), path=Path("upload-1"), name=name, limits=LimitSettings(**limits)
    )


def test_a_longer_recording_has_more_time_a_shorter_one_not_less() -> None:
    request = recording(request_timeout_seconds=60, direct_audio_seconds=600)
    request.audio_seconds = 10.0
    assert (request.timeout_seconds, request.is_long) == (60, False)
    request.audio_seconds = 1800.0
    assert (request.timeout_seconds, request.is_long) == (180, True)


def test_long_recordings_are_refused_where_the_operator_wants_that() -> None:
    lengths = {"direct_audio_seconds": 600, "max_audio_seconds": 7200}
    assert recording(long_audio="stream", **lengths).max_seconds == 7200
    assert recording(long_audio="reject", **lengths).max_seconds == 600


def test_work_that_took_more_than_expected_leaves_nothing_not_less() -> None:
    request = recording()
    request.work_seconds, request.done_seconds = 10.0, 4.0
    assert request.left_seconds == 6.0
    request.done_seconds = 12.0
    assert request.left_seconds == 0.0


def test_the_log_of_a_crash_names_a_recording_and_never_all_of_a_long_name() -> None:
    request = recording("会" * 500)
    request.audio_seconds = 12.34
    assert request.label == "会" * 80 + " (12.3 s)"
    assert recording().label.startswith("upload-1")
