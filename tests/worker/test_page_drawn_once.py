"""A page that was drawn by Gradio's process is served by every worker that is forked afterwards."""

from __future__ import annotations

import re
import sys

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from seacod.config import changes
from seacod.config.schema import Settings
from seacod.errors import PageNotDrawn
from seacod.system.credentials import hash_password
from seacod.web.page import drawing
from seacod.web.page.page import Page
from seacod.web.page.shown import ShownModel, Site

SITE, MODEL = Site("", False), ShownModel("builtin", 2)


def drawn(site: Site = SITE, model: ShownModel = MODEL) -> Page:
    with drawing.drawing() as new:
        return new.finish(site, model)


def served(page: Page) -> TestClient:
    app = FastAPI()
    app.get("/ours")(lambda: "ours")
    page.mount(app)
    return TestClient(app)


@pytest.fixture(scope="module")
def page() -> Page:
    return drawn()


def test_each_application_answers_with_the_page_that_was_drawn_once(page: Page) -> None:
    answers = []
    for _ in range(2):
        with served(page) as client:
            assert client.get("/ours").json() == "ours"
            assert client.post("/gradio_api/queue/join").status_code == 404
            answers.append(client.get("/"))
    assert [one.status_code for one in answers] == [200, 200]
    assert "sc-tab-single" in answers[0].text
    assert answers[0].text == answers[1].text


def test_the_theme_is_kept_by_browsers_until_it_is_another(page: Page) -> None:
    with served(page) as client:
        (address,) = re.findall(r'href="(/theme\.css\?v=\w+)"', client.get("/").text)
        theme = client.get(address)
        assert theme.headers["content-type"] == "text/css; charset=utf-8"
        assert "immutable" in theme.headers["cache-control"]
        assert "--body-text-color" in theme.text
        assert not re.search(r"@import|url\(.?https?:", theme.text)


def test_what_browsers_ask_of_every_site_is_there_and_nothing_else(page: Page) -> None:
    with served(page) as client:
        assert client.get("/favicon.ico").headers["content-type"] == "image/svg+xml"
        assert client.head("/robots.txt").status_code == 200
        assert client.post("/").status_code == 405
        for path in ("/config", "/manifest.json", "/gradio_api/info", "/static/x", "/a//b"):
            assert client.get(path).status_code == 404, path
        with pytest.raises(WebSocketDisconnect), client.websocket_connect("/ws"):
            pass


def test_it_says_how_it_is_reached_and_what_the_model_is() -> None:
    with served(drawn(Site("/asr", True), ShownModel("paraformer-zh", 8404))) as client:
        told = client.get("/").text
    assert 'action="/asr/logout"' in told
    assert "/asr/theme.css?v=" in told
    # Only the small model that shows how it works says so, and has examples.
    assert 'class="sc-note" role="note"' not in told


def test_what_it_is_drawn_for_takes_effect_with_a_new_nursery() -> None:
    users = f"anna:{hash_password('a long word')}"
    before = Settings()
    for other in ({"server": {"root_path": "/asr"}}, {"access": {"users": users}}):
        after = Settings.model_validate(other)
        assert Site.of(before) != Site.of(after)
        assert changes.compare(before, after).replace


@pytest.mark.parametrize(
    ("code", "cause"),
    [
        ("import sys; sys.stdin.read(); sys.exit(3)", "exit code 3"),
        ("import os; os._exit(0)", "exit code 0"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "exit code -9"),
    ],
)
def test_a_process_that_gives_none_is_told_of(
    monkeypatch: pytest.MonkeyPatch, code: str, cause: str
) -> None:
    monkeypatch.setattr(drawing, "python", lambda *given: [sys.executable, "-c", code])
    with pytest.raises(PageNotDrawn, match=cause) as refused:
        drawn()
    assert "server.page: off" in refused.value.chinese


def test_what_a_library_prints_at_its_import_is_no_page(monkeypatch: pytest.MonkeyPatch) -> None:
    code = "print('hello', flush=True); from seacod.web.page.gradio_page import main; main()"
    monkeypatch.setattr(drawing, "python", lambda *given: [sys.executable, "-c", code])
    with served(drawn()) as client:
        assert "sc-tab-single" in client.get("/").text
    code = "print('hello', flush=True)"
    with pytest.raises(PageNotDrawn, match="exit code 0"):
        drawn()


def test_a_process_that_cannot_be_started_is_told_of(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drawing, "python", lambda *given: ["/nowhere/python"])
    with pytest.raises(PageNotDrawn, match="No such file"):
        drawn()


def test_nothing_is_left_of_a_drawing_that_nobody_wants_any_more() -> None:
    with pytest.raises(ZeroDivisionError), drawing.drawing() as new:
        process = new._process
        _ = 1 / 0
    assert process.returncode is not None
