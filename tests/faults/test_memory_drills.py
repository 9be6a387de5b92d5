"""The device has no room: batches are halved, one request is told, the worker goes on. The errors
are forced: without a GPU none comes by itself."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import sounds
from supervised import Faulty, wait_until

from seacod.client import Refused

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Faulty]:
    one = Faulty(tmp_path_factory.mktemp("memory"))
    one.configure(limits={"direct_audio_seconds": 3000})
    with one.running():
        yield one


def heard(service: Faulty) -> str:
    with service.client() as client:
        return client.transcribe(sounds.SPEECH).text


def test_batches_that_do_not_fit_are_halved_and_everybody_is_answered(service: Faulty) -> None:
    worker = service.worker_pid()
    service.taken_up("no_room_for_two")
    with ThreadPoolExecutor(6) as clients:
        # Until two are with the model together, which on a busy machine may take some rounds.
        while not service.events("batch_halved"):
            texts = list(clients.map(lambda _: heard(service), range(24)))
            assert texts == [sounds.SPEECH_TEXT] * 24
    assert service.worker_pid() == worker


def test_a_stretch_that_does_not_fit_alone_is_507(service: Faulty) -> None:
    worker = service.worker_pid()
    service.taken_up("no_room_at_all")
    with pytest.raises(Refused, match="does not fit") as refused:
        heard(service)
    assert (refused.value.status, refused.value.reason) == (507, "out_of_memory")
    service.taken_up("room_again")
    assert heard(service) == sounds.SPEECH_TEXT
    assert service.worker_pid() == worker


def test_what_is_not_done_in_time_is_504_and_its_place_is_free(service: Faulty) -> None:
    service.configure(limits={"request_timeout_seconds": 1, "direct_audio_seconds": 3000})
    service.signal(signal.SIGHUP)
    wait_until(lambda: service.events("settings_applied"), "the limit in the worker")
    with service.holding(), pytest.raises(Refused) as refused:
        heard(service)
    assert (refused.value.status, refused.value.reason) == (504, "deadline_exceeded")
    with service.client() as client:
        wait_until(lambda: client.system().in_flight == 0, "a place free again")
