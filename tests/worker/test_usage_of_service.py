"""Quotas of a real service, and what `seacod usage` says of it before and after a restart."""

from __future__ import annotations

import json
from collections.abc import Iterator

import httpx
import pytest
import sounds
import typed
from patience import connect
from supervised import PATIENCE_SECONDS, Service, wait_until

from seacod.system import credentials

FREE, LIMITED = credentials.new_key(), credentials.new_key()


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    one = Service(tmp_path_factory.mktemp("usage"))
    keys = f"free:{credentials.hash_key(FREE)} limited:{credentials.hash_key(LIMITED)}"
    one.configure(access={"api_keys": keys, "quotas": "limited:requests_per_minute=2"})
    with one.running():
        yield one


def send(service: Service, key: str, route: str = "/transcribe") -> httpx.Response:
    return httpx.post(
        f"{service.url}{route}", files={"file": sounds.SPEECH.read_bytes()},
        headers={"X-API-Key": key}, timeout=PATIENCE_SECONDS, trust_env=False,
    )  # fmt: skip


def usage(service: Service, *options: str) -> str:
    done = typed.seacod("usage", *options, "--config", service.config)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def used(service: Service) -> dict[str, tuple[int, int]]:
    clients = json.loads(usage(service, "--json"))["clients"]
    return {one["client"]: (one["requests"], one["failures"]) for one in clients}


def test_who_has_used_a_quota_is_told_when_to_come_back(service: Service) -> None:
    assert [send(service, LIMITED).status_code for _ in range(2)] == [200, 200]
    for route in ("/transcribe", "/v1/audio/transcriptions", "/batch_transcribe"):
        refused = send(service, LIMITED, route)
        assert refused.status_code == 429, route
        error = refused.json()["error"]
        assert error["code"] == "quota_used"
        assert "2 requests a minute" in error["message"]
        assert 1 <= int(refused.headers["retry-after"]) <= 60
    with connect(
        f"{service.url.replace('http', 'ws')}/live", additional_headers={"X-API-Key": LIMITED}
    ) as socket:
        told = json.loads(socket.recv(timeout=PATIENCE_SECONDS))
    assert (told["type"], told["error"]["code"], told["error"]["status"]) == (
        "error", "quota_used", 429,
    )  # fmt: skip
    # Nobody else is the poorer for it.
    assert send(service, FREE).status_code == 200


def test_each_key_sees_its_own_batches(service: Service) -> None:
    def jobs(key: str | None, **options: str) -> httpx.Response:
        return httpx.get(
            f"{service.url}/jobs", params=options, headers={"X-API-Key": key} if key else {},
            timeout=PATIENCE_SECONDS, trust_env=False,
        )  # fmt: skip

    accepted = httpx.post(
        f"{service.url}/batch_transcribe", files={"files": sounds.SPEECH.read_bytes()},
        headers={"X-API-Key": FREE}, timeout=PATIENCE_SECONDS, trust_env=False,
    ).json()  # fmt: skip
    wait_until(lambda: jobs(FREE).json()["jobs"][0]["state"] == "done", "the end of the batch")
    told = jobs(FREE).json()
    assert [one["job"] for one in told["jobs"]] == [accepted["job"]]
    assert told["jobs"][0]["counts"] == {"done": 1}
    assert told["next"] is None
    assert jobs(LIMITED).json() == {"jobs": [], "next": None}
    assert jobs(None).status_code == 401
    assert jobs(FREE, limit="many").status_code == 400
    assert jobs(FREE, next="0" * 32).status_code == 404


@pytest.mark.full
def test_who_used_what_is_in_log_metrics_and_ledger_and_outlives_the_service(
    service: Service,
) -> None:
    assert send(service, FREE).status_code == 200
    lines = [one for one in service.events("transcribed") if one["route"] == "/transcribe"]
    assert lines[-1]["client"] == "key:free"
    assert service.events("not_transcribed")[-1]["client"] == "key:limited"
    told = service.metrics()
    assert 'asr_client_requests_total{client="key:free",outcome="text"} 3.0' in told
    assert 'asr_client_audio_seconds_total{client="key:free"}' in told
    expected = {"key:free": (3, 0), "key:limited": (6, 4)}
    wait_until(lambda: used(service) == expected, lambda: f"the ledger: {used(service)}")
    assert service.stop() == 0
    service.start()
    assert send(service, FREE).status_code == 200
    assert service.stop() == 0
    # What was counted last is written at the end, not five seconds later.
    assert used(service) == {**expected, "key:free": (4, 0)}
    head, *rows = usage(service, "--csv", "--since", "7d").splitlines()
    assert head == "client,requests,failures,audio_hours"
    assert [row.split(",")[0] for row in rows] == ["key:free", "key:limited"]
    assert "audio hours" in usage(service)
