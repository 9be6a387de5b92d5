"""A page that was drawn before the fork is served by every worker, until it would be another."""

from __future__ import annotations

from typing import Any, cast

from fastapi import FastAPI
from starlette.testclient import TestClient

from seacod.asr.recognisers.base import Recogniser
from seacod.config.schema import Settings
from seacod.system.credentials import hash_password
from seacod.web.page.page import Page


class Engine:
    """What a page says of the model."""

    name = "builtin"
    vocabulary = ("<blank>", "天", "气")


def settings(**sections: Any) -> Settings:
    return Settings.model_validate(sections)


def test_each_application_answers_with_the_page_that_was_drawn_once() -> None:
    page = Page(cast(Recogniser, Engine()), settings())
    answers = []
    for _ in range(2):
        app = FastAPI()
        app.get("/ours")(lambda: "ours")
        page.mount(app)
        with TestClient(app) as client:
            assert client.get("/ours").json() == "ours"
            assert client.post("/gradio_api/queue/join").status_code == 404
            answers.append(client.get("/"))
    assert [one.status_code for one in answers] == [200, 200]
    assert "sc-tab-single" in answers[0].text
    assert answers[0].text == answers[1].text


def test_it_is_drawn_anew_only_when_it_would_look_otherwise() -> None:
    page = Page(cast(Recogniser, Engine()), settings())
    assert page.fits(settings(limits={"queue_length": 3}, asr={"tune": "off"}))
    assert not page.fits(settings(server={"root_path": "/asr"}))
    assert not page.fits(settings(access={"users": f"anna:{hash_password('a long word')}"}))
