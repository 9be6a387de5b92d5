"""What stands in the headers of every answer, from whatever part it comes."""

from __future__ import annotations

import httpx
import pytest
from supervised import PATIENCE_SECONDS, Service

from seacod.system.net.answer_headers import ANSWER_HEADERS


@pytest.fixture(scope="module")
def client(live: Service) -> httpx.Client:
    return httpx.Client(base_url=live.url, timeout=PATIENCE_SECONDS, trust_env=False)


def test_every_answer_tells_browsers_what_it_may_be_used_for(
    client: httpx.Client, live: Service
) -> None:
    answers = [
        client.get("/"),
        client.get("/health"),
        client.get("/nothing"),
        client.get("/openapi.json"),
        client.post("/transcribe"),
        client.put("/transcribe"),
        client.post("/transcribe", headers={"Origin": "http://evil.example"}),
        client.get("/system", headers={"Host": "rebind.example"}),
        client.get("/health", headers={"X": "x" * 40_000}),
        httpx.get(live.metrics_url, trust_env=False, timeout=PATIENCE_SECONDS),
    ]
    assert [answer.status_code for answer in answers] == [
        200, 200, 404, 200, 400, 405, 403, 421, 400, 200,
    ]  # fmt: skip
    for answer in answers:
        for name, value in ANSWER_HEADERS:
            assert answer.headers.get_list(name) == [value], answer.url
