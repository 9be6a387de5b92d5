"""`seacod pause` as people at the page see it: the operator's reason above everything, nothing
covered, and what they chose goes on when the service does."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
import sounds
from supervised import ROOT, Service
from test_for_everybody import findings

REASON = "数据库升级，预计 30 分钟。"


def seacod(service: Service, *words: str) -> None:
    subprocess.run(
        [sys.executable, "-m", "seacod", *words, "--config", str(service.config)],
        cwd=ROOT, env={**os.environ, "LC_ALL": "C.UTF-8"}, capture_output=True, check=True,
    )  # fmt: skip


@pytest.mark.parametrize(("width", "scheme"), [(1200, "light"), (390, "dark")])
def test_the_reason_is_there_and_covers_nothing(
    visit, live: Service, width: int, scheme: str
) -> None:
    seen = visit(width=width, scheme=scheme)
    page = seen.page
    seen.choose(sounds.SPEECH)
    seacod(live, "pause", REASON)
    try:
        page.wait_for_selector("#sc-connection.sc-paused:not([hidden])")
        assert "（数据库升级，预计 30 分钟）" in page.inner_text("#sc-connection")
        assert findings(page) == []
        # What is asked for is refused with the same reason, and waits for its turn.
        seen.recognise()
        assert REASON.removesuffix("。") in seen.wait_for_problem()
        assert page.is_visible("#sc-problem [data-do=stay]")
        # Both can be clicked: nothing lies over them.
        page.evaluate("scrollTo(0, 0)")
        page.click("#sc-language")
        assert "The service is paused" in page.inner_text("#sc-connection")
        page.click("#sc-colours")
    finally:
        seacod(live, "resume")
    page.wait_for_selector("#sc-connection", state="hidden")
    page.click("#sc-problem [data-do=again]")
    assert seen.wait_for_text() == sounds.SPEECH_TEXT
    assert all("503" in line for line in seen.complaints)
