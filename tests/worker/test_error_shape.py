"""Whatever is wrong with a request, on whatever route: the answer has one shape, and both languages
say what is wrong."""

from __future__ import annotations

import re
from typing import Any

import httpx
import pytest
from supervised import Service

_CHINESE = re.compile(r"[\u4e00-\u9fff]")
# What no route takes for a name, a number or a body.
_WRONG = ["x", "-1", "0", "1e9", "9" * 30, "9" * 5000, "%00", "%ff%fe", "%E2%80%AE", "a%2Fb"]


def told(answer: httpx.Response) -> dict[str, Any]:
    error: dict[str, Any] = answer.json()["error"]
    assert error["code"]
    assert error["type"]
    assert error["request_id"]
    assert not _CHINESE.search(error["message"]), error
    assert _CHINESE.search(error["message_zh"]), error
    return error


def test_every_route_refuses_what_is_malformed_in_one_shape(live: Service) -> None:
    with httpx.Client(base_url=live.url, trust_env=False, timeout=60) as client:
        paths = client.get("/openapi.json").json()["paths"]
        seen = 0
        for path, methods in paths.items():
            for wrong in _WRONG:
                for method in (*methods, "put"):
                    asked = re.sub(r"\{\w+(:path)?\}", wrong, path)
                    query = f"limit={wrong}&only={wrong}&next={wrong}&lang={wrong}"
                    answer = client.request(method, f"{asked}?{query}", content=b"\xff{[")
                    if answer.status_code >= 400:
                        assert answer.status_code not in (500, 422), (method, asked, answer.text)
                        told(answer)
                        seen += 1
        assert seen > 100


@pytest.mark.parametrize("number", ["x", "1.5", "%E2%80%AE1", "9" * 30, "9" * 5000])
def test_a_number_that_is_none_is_named_in_both_languages(live: Service, number: str) -> None:
    answer = httpx.get(f"{live.url}/jobs/1/files/{number}", trust_env=False, timeout=60)
    error = told(answer)
    assert answer.status_code == 400
    for language in ("message", "message_zh"):
        assert "number=" in error[language]
        assert "9 " in error[language]
        assert len(error[language]) < 100
    assert "\u202e" not in str(error)
    assert "整数" in error["message_zh"]
