"""Who speaks, on the page: asked for, shown above each turn, renamed everywhere at once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import sounds
import speaker_models
from playwright.sync_api import Browser
from supervised import Service


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    models = tmp_path_factory.mktemp("models")
    speaker_models.stand_in(models)
    one = Service(tmp_path_factory.mktemp("speakers"))
    one.configure(server={"page": "on"}, asr={"models_directory": str(models)})
    yield one.start()
    one.kill()


def test_a_speaker_is_renamed_in_the_text_and_in_what_is_downloaded(
    browser: Browser, service: Service, tmp_path: Path
) -> None:
    page = browser.new_page(locale="en-US")
    page.goto(service.url)
    page.set_input_files("#sc-file", sounds.SPEECH)
    page.select_option("#sc-speakers", "1")
    page.click("#sc-recognise")
    page.wait_for_selector("#sc-take:not([hidden])")
    name = page.locator("#sc-text .sc-turn button")
    assert name.inner_text() == "S1"
    name.click()
    page.fill("#sc-text input.sc-speaker", "王 <b>")
    page.press("#sc-text input.sc-speaker", "Enter")
    assert page.locator("#sc-text .sc-turn button").inner_text() == "王 <b>"
    with page.expect_download() as download:
        page.click("#sc-take [data-do=text]")
    download.value.save_as(tmp_path / "text")
    assert (tmp_path / "text").read_text() == f"王 <b>: {sounds.SPEECH_TEXT}\n"
    with page.expect_download() as download:
        page.click("#sc-take [data-do=vtt]")
    download.value.save_as(tmp_path / "vtt")
    assert "<v 王 &lt;b&gt;>" in (tmp_path / "vtt").read_text()
    # This browser remembers the choice.
    page.reload()
    page.wait_for_function("document.querySelector('#sc-speakers')?.value === '1'")
    page.close()
