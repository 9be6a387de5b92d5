"""What happens to decoders, and to the nursery they are forked from, in a running service: no file
is blamed for it, and nothing is left behind."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator

import httpx
import psutil
import pytest
import sounds
from supervised import PATIENCE_SECONDS, Service, wait_until

from seacod.asr.decoder.nursery import decoder_name


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    one = Service(tmp_path_factory.mktemp("decoders"))
    with one.running():
        yield one


def decoder_nursery(service: Service) -> psutil.Process:
    """Where the decoders of the next worker come from."""
    nursery = psutil.Process(service.nursery())
    found = wait_until(nursery.children, "a nursery of decoders")
    return next(one for one in found if "seacod.asr.decoder.process" in one.cmdline())


def decoders(service: Service) -> list[psutil.Process]:
    name = decoder_name(service.worker_pid())
    return wait_until(
        lambda: [one for one in service.descendants() if one.name() == name], "a decoder"
    )


def single(service: Service) -> None:
    with sounds.SPEECH.open("rb") as file:
        answer = httpx.post(
            f"{service.url}/transcribe", files={"file": file}, timeout=PATIENCE_SECONDS,
            trust_env=False,
        )  # fmt: skip
    assert answer.status_code == 200, answer.text
    assert answer.json()["text"] == sounds.SPEECH_TEXT


def batch(service: Service) -> None:
    client = httpx.Client(base_url=service.url, timeout=PATIENCE_SECONDS, trust_env=False)
    job = client.post(
        "/batch_transcribe", files=[("files", ("a.flac", sounds.SPEECH.read_bytes()))]
    ).json()["job"]

    def finished() -> dict[str, int] | None:
        body = client.get(f"/jobs/{job}").json()
        return dict(body["counts"]) if body["state"] == "done" else None

    assert wait_until(finished, "the batch") == {"done": 1}


@pytest.mark.parametrize(
    ("number", "send"),
    [
        (signal.SIGKILL, batch),
        (signal.SIGSTOP, single),
        pytest.param(signal.SIGKILL, single, marks=pytest.mark.full),
        pytest.param(signal.SIGSTOP, batch, marks=pytest.mark.full),
    ],
)
def test_an_idle_decoder_that_was_killed_or_stopped_blames_no_file(
    service: Service, send: Callable[[Service], None], number: signal.Signals
) -> None:
    """Handed in as 12-dead-decoder.txt."""
    send(service)
    idle = decoders(service)
    for one in idle:
        one.send_signal(number)
    send(service)
    # Those that were found so are gone; the recording did not need more than one of them.
    wait_until(lambda: any(not one.is_running() for one in idle), "the end of one that was found")
    for one in idle:
        if one.is_running():
            one.send_signal(signal.SIGCONT)


def test_a_killed_worker_leaves_no_decoder_behind(service: Service) -> None:
    single(service)
    nursery, old, worker = decoder_nursery(service), decoders(service), service.worker_pid()
    os.kill(worker, signal.SIGKILL)
    wait_until(lambda: service.status_of("serving", other_than=worker), "the next worker")
    single(service)
    _, alive = psutil.wait_procs(old, timeout=PATIENCE_SECONDS)
    assert not alive
    assert all(one.ppid() == nursery.pid for one in decoders(service)), "of the same nursery"


@pytest.mark.full
def test_a_nursery_of_decoders_that_was_killed_is_replaced(service: Service) -> None:
    single(service)
    killed = decoder_nursery(service)
    killed.kill()
    # The worker has one of its own until it ends; the next worker is given a new one.
    single(service)
    batch(service)
    worker = service.worker_pid()
    wait_until(lambda: service.events("decoder_nursery_lost"), "word that it is lost")
    wait_until(
        lambda: any(one != killed for one in psutil.Process(service.nursery()).children()),
        "another nursery of decoders",
    )
    wait_until(lambda: service.events("decoder_nursery_replaced"), "word of the other one")
    for event in ("decoder_nursery_lost", "decoder_nursery_replaced"):
        assert len(service.events(event)) == 1
    given = decoder_nursery(service)
    os.kill(worker, signal.SIGKILL)
    wait_until(lambda: service.status_of("serving", other_than=worker), "the next worker")
    single(service)
    assert all(one.ppid() == given.pid for one in decoders(service))


@pytest.mark.full
def test_nothing_is_left_when_the_service_ends(service: Service) -> None:
    """The last of this file."""
    single(service)
    everybody = service.descendants()
    assert service.stop() == 0
    _, alive = psutil.wait_procs(everybody, timeout=PATIENCE_SECONDS)
    assert not alive
