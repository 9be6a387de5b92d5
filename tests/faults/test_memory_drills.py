"""The device has no room: batches are halved, one request is told, the worker goes on. The errors
are forced: without a GPU none comes by itself."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
import sounds
from supervised import PATIENCE_SECONDS, Faulty, wait_until

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Faulty]:
    one = Faulty(tmp_path_factory.mktemp("memory"))
    one.configure(limits={"request_timeout_seconds": 1, "direct_audio_seconds": 3000})
    yield one.start()
    one.kill()


def inject(service: Faulty, fault: str) -> None:
    """Make the worker fail so, from now on."""
    service.fail(fault)
    wait_until(lambda: not list(service.directory.glob("fault-*")), "the fault taken up")


def post(service: Faulty, content: bytes) -> httpx.Response:
    return httpx.post(
        f"{service.url}/transcribe", files={"file": content}, timeout=PATIENCE_SECONDS,
        trust_env=False,
    )  # fmt: skip


def test_batches_that_do_not_fit_are_halved_and_everybody_is_answered(service: Faulty) -> None:
    worker = service.worker_pid()
    inject(service, "no_room_for_two")
    speech = sounds.SPEECH.read_bytes()
    with ThreadPoolExecutor(6) as clients:
        answers = list(clients.map(lambda _: post(service, speech), range(24)))
    assert [answer.status_code for answer in answers] == [200] * 24
    assert {answer.json()["text"] for answer in answers} == {sounds.SPEECH_TEXT}
    assert service.events("batch_halved")
    assert service.worker_pid() == worker


def test_a_stretch_that_does_not_fit_alone_is_507(service: Faulty) -> None:
    worker = service.worker_pid()
    inject(service, "no_room_at_all")
    answer = post(service, sounds.SPEECH.read_bytes())
    assert answer.status_code == 507
    assert answer.json()["error"]["code"] == "out_of_memory"
    assert "does not fit" in answer.json()["error"]["message"]
    inject(service, "room_again")
    assert post(service, sounds.SPEECH.read_bytes()).json()["text"] == sounds.SPEECH_TEXT
    assert service.worker_pid() == worker


def test_what_is_not_done_in_time_is_504_and_its_place_is_free(service: Faulty) -> None:
    inject(service, "slow")
    answer = post(service, sounds.SPEECH.read_bytes())
    assert answer.status_code == 504
    assert answer.json()["error"]["code"] == "deadline_exceeded"
    health = f"{service.url}/health"
    wait_until(
        lambda: httpx.get(health, trust_env=False).json()["in_flight"] == 0, "a place free again"
    )
