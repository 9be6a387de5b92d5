"""Programs that come with an address instead of a file, send the same twice, and wait to be told:
over HTTP, against one real service."""

from __future__ import annotations

import io
import json
import signal
import uuid
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import sounds
from callback_receiver import CallbackReceiver
from file_server import FileServer, content, endless, sent_on
from standardwebhooks import Webhook
from supervised import PATIENCE_SECONDS, Service, wait_until

from seacod.client import FromUrl, Refused

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
SPEECH = sounds.SPEECH.read_bytes()


@pytest.fixture(scope="module")
def files() -> Iterator[FileServer]:
    one = FileServer(endless=endless(), drip=endless(b"x", 0.05), page=content(b"<html>no sound"))
    one.pages["/会议.flac"] = one.pages["/%E4%BC%9A%E8%AE%AE.flac"] = content(SPEECH)
    one.pages["/on"] = sent_on("http://169.254.169.254/latest")
    yield one
    one.close()


@pytest.fixture(scope="module")
def receiver() -> Iterator[CallbackReceiver]:
    one = CallbackReceiver()
    yield one
    one.close()


@pytest.fixture(scope="module")
def service(
    tmp_path_factory: pytest.TempPathFactory, files: FileServer, receiver: CallbackReceiver
) -> Iterator[Service]:
    directory = tmp_path_factory.mktemp("waiting")
    secret = directory / "secret"
    secret.write_text(SECRET)
    secret.chmod(0o600)
    one = Service(directory)
    one.configure(
        outgoing={
            "input_hosts": files.origin,
            "input_seconds": PATIENCE_SECONDS,
            "callback_hosts": receiver.origin,
            "callback_secret_file": str(secret),
        },
        limits={"max_upload_bytes": 3 << 20},
    )
    with one.running():
        yield one


@pytest.fixture
def in_a_hurry(service: Service) -> Iterator[None]:
    """A recording of another server has a second to come, and otherwise as long as these tests
    need."""
    kept = service.config.read_text()

    def told(text: str) -> None:
        before = len(service.events("settings_applied"))
        service.config.write_text(text)
        service.signal(signal.SIGHUP)
        wait_until(lambda: len(service.events("settings_applied")) > before, "the settings")

    settings = json.loads(kept)
    settings["outgoing"]["input_seconds"] = 1
    told(json.dumps(settings))
    yield
    told(kept)


@pytest.fixture(scope="module")
def client(service: Service) -> httpx.Client:
    return httpx.Client(base_url=service.url, timeout=PATIENCE_SECONDS, trust_env=False)


def form(**fields: str) -> list[tuple[str, Any]]:
    """Fields as parts of a form, without any file."""
    return [(name, (None, value)) for name, value in fields.items()]


def finished(client: httpx.Client, job: str) -> dict[str, Any]:
    def look() -> dict[str, Any] | None:
        body: dict[str, Any] = client.get(f"/jobs/{job}").json()
        return body if body["state"] in ("done", "canceled") else None

    return wait_until(look, "a finished job")


def submit(client: httpx.Client, key: str = "", **fields: str) -> httpx.Response:
    return client.post(
        "/batch_transcribe",
        files=[("files", ("a.flac", SPEECH))],
        data=fields,
        headers={"Idempotency-Key": key} if key else {},
    )


def test_a_recording_is_named_by_its_address(
    client: httpx.Client, service: Service, files: FileServer
) -> None:
    url = files.url("会议.flac")
    answer = client.post("/transcribe", files=form(url=url))
    assert answer.json()["text"] == sounds.SPEECH_TEXT
    answer = client.post("/transcribe?stream=true", files=form(url=url, format="text"))
    assert sounds.SPEECH_TEXT in answer.text
    assert service.client().transcribe(FromUrl(url)).text == sounds.SPEECH_TEXT
    # As another service of OpenAI's shape has it.
    answer = client.post("/v1/audio/transcriptions", files=form(url=url, model="whisper-1"))
    assert answer.json()["text"] == sounds.SPEECH_TEXT


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("page", 415, "bad_audio"),
        ("nothing?token=secret", 502, "source_unreachable"),
        ("endless", 413, "too_big"),
        ("drip", 504, "source_too_slow"),
        ("on", 403, "host_not_allowed"),
        ("http://169.254.169.254/latest", 403, "host_not_allowed"),
        ("file:///etc/passwd", 400, "bad_request"),
    ],
)
def test_what_cannot_be_had_is_told_with_its_status(
    request: pytest.FixtureRequest, client: httpx.Client, service: Service, files: FileServer,
    path: str, status: int, code: str,
) -> None:  # fmt: skip
    url = path if ":" in path else files.url(path)
    if code == "source_too_slow":
        request.getfixturevalue("in_a_hurry")
    for answer in (
        client.post("/transcribe", files=form(url=url)),
        client.post("/v1/audio/transcriptions", files=form(url=url, model="whisper-1")),
    ):
        error = answer.json()["error"]
        assert (answer.status_code, error["code"]) == (status, code), error
        assert "secret" not in answer.text
        assert error["message_zh"] != error["message"]
    if code != "bad_audio":
        refused = client.post("/batch_transcribe", files=form(url=url))
        assert (refused.status_code, refused.json()["error"]["code"]) == (status, code)
    left = list((service.directory / "state/uploads").glob("upload-*"))
    assert not left


def test_an_address_and_a_file_are_one_too_many(client: httpx.Client, files: FileServer) -> None:
    both = [*form(url=files.url("会议.flac")), ("file", ("a.flac", SPEECH))]
    answer = client.post("/transcribe", files=both)
    assert answer.status_code == 400
    assert "send one of them" in answer.json()["error"]["message"]
    # Who calls it something else is told the right name.
    answer = client.post("/transcribe", files=[*form(audio_url="x"), ("file", ("a.flac", SPEECH))])
    assert any("the right one is 'url'" in one for one in answer.json()["warnings"])


def test_a_batch_takes_addresses_and_files(
    client: httpx.Client, service: Service, files: FileServer
) -> None:
    url = files.url("会议.flac")
    job = service.client().submit([FromUrl(url), ("b.flac", SPEECH), FromUrl(url)])
    body = finished(client, job)
    assert body["counts"] == {"done": 3}
    assert sorted(one["name"] for one in body["files"]) == ["b.flac", "会议.flac", "会议.flac"]
    with zipfile.ZipFile(io.BytesIO(service.client().results(job))) as archive:
        texts = [archive.read(name).decode() for name in archive.namelist() if name[-4:] == ".txt"]
    assert texts == [f"{sounds.SPEECH_TEXT}\n"] * 3


def test_the_same_batch_again_is_the_same_job(client: httpx.Client, service: Service) -> None:
    key = str(uuid.uuid4())
    first = submit(client, key, hotwords="欣悦")
    again = submit(client, f'"{key}"', hotwords="欣悦")
    assert first.status_code == again.status_code == 202
    assert first.json()["job"] == again.json()["job"]
    assert again.json()["files"] == 1
    assert "idempotent-replayed" not in first.headers
    assert again.headers["idempotent-replayed"] == "true"
    other = submit(client, key, hotwords="宏宇")
    assert (other.status_code, other.json()["error"]["code"]) == (422, "idempotency_key_reused")
    assert "use a new key" in other.json()["error"]["message"]
    assert submit(client, "x" * 300).status_code == 400
    assert submit(client).json()["job"] != submit(client).json()["job"]
    jobs = {one.name for one in (service.directory / "state/jobs").iterdir() if one.is_dir()}
    finished(client, first.json()["job"])
    assert submit(client, key, hotwords="欣悦").json()["job"] == first.json()["job"]
    assert {
        one.name for one in (service.directory / "state/jobs").iterdir() if one.is_dir()
    } == jobs
    assert client.delete(f"/jobs/{first.json()['job']}").status_code == 200
    assert submit(client, key, hotwords="欣悦").json()["job"] != first.json()["job"]


def test_who_asked_for_it_is_told_that_a_batch_is_over(
    client: httpx.Client, service: Service, receiver: CallbackReceiver
) -> None:
    answer = submit(client, callback_url=receiver.url)
    job = answer.json()["job"]
    told = wait_until(lambda: [t for t in receiver.told if t.data["job"] == job], "the callback")[0]
    assert Webhook(SECRET).verify(told.body, told.headers)["type"] == "job.done"
    assert told.data["counts"] == {"done": 1}
    assert client.get(told.data["status_url"]).json()["state"] == "done"

    def delivered() -> Any:
        return service.client().job(job).callback["state"] == "delivered"  # type: ignore[index]

    wait_until(delivered, "the job says so")
    shown = client.get(f"/jobs/{job}").json()["callback"]
    assert shown["url"] == f"{receiver.origin}/done"
    assert (shown["attempts"], shown["answer"], shown["next_try"]) == (1, "200 ok", None)
    assert 'asr_callbacks_total{result="delivered"} ' in service.metrics()
    assert service.events("callback_delivered")
    assert "t0ken" not in service.log_text()
    without = submit(client).json()["job"]
    assert client.get(f"/jobs/{without}").json()["callback"] is None


def test_a_callback_that_is_not_taken_and_a_key_outlive_the_service(
    client: httpx.Client, service: Service, receiver: CallbackReceiver
) -> None:
    receiver.statuses = [500]
    key = str(uuid.uuid4())
    job = submit(client, key, callback_url=receiver.url).json()["job"]
    wait_until(lambda: [t for t in receiver.told if t.data["job"] == job], "the first try")
    wait_until(
        lambda: client.get(f"/jobs/{job}").json()["callback"]["answer"] == "500 ok", "the answer"
    )
    shown = client.get(f"/jobs/{job}").json()["callback"]
    assert (shown["state"], shown["next_try"] is not None) == ("waiting", True)
    service.kill()
    receiver.statuses = [200]
    service.start()
    wait_until(
        lambda: client.get(f"/jobs/{job}").json()["callback"]["state"] == "delivered", "it is told"
    )
    ids = {t.headers["webhook-id"] for t in receiver.told if t.data["job"] == job}
    assert len(ids) == 1
    assert submit(client, key, callback_url=receiver.url).json()["job"] == job


def test_a_callback_to_anybody_else_is_refused(client: httpx.Client, live: Service) -> None:
    for url, status in (
        ("https://other.example/", 403),
        ("http://169.254.169.254/", 403),
        ("nonsense", 400),
    ):
        answer = submit(client, callback_url=url)
        assert answer.status_code == status, answer.text
    answer = submit(client, webhook_url="https://other.example/")
    assert any("the right one is 'callback_url'" in one for one in answer.json()["warnings"])
    # A service where nobody has allowed anything says so.
    with live.client() as other:
        with pytest.raises(Refused, match="connects to no host for its clients") as refused:
            other.submit([("a.flac", SPEECH)], callback_url="https://other.example/")
        assert refused.value.status == 403
        with pytest.raises(Refused, match="outgoing.input_hosts"):
            other.transcribe(FromUrl("https://other.example/a.wav"))


def test_a_secret_that_is_missing_is_told_before_anybody_waits(tmp_path: Path) -> None:
    from seacod.config.load import load_settings
    from seacod.config.reach import check
    from seacod.errors import ConfigError

    file = tmp_path / "seacod.yaml"
    file.write_text("outgoing:\n  callback_hosts: hooks.example\n")
    with pytest.raises(ConfigError, match="callback_secret_file: is missing"):
        check(load_settings(file), file, ())
