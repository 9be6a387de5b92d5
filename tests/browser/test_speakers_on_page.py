"""Who speaks, on the page: asked for, shown above each turn, renamed everywhere at once."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import sounds
import speaker_models
from docx import Document
from patience import PATIENCE_MILLISECONDS
from playwright.sync_api import Browser, Page
from supervised import Service

from seacod.asr import audio


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    models = tmp_path_factory.mktemp("models")
    speaker_models.stand_in(models)
    one = Service(tmp_path_factory.mktemp("speakers"))
    one.configure(server={"page": "on"}, asr={"models_directory": str(models)})
    with one.running():
        yield one


def exported(page: Page, name: str, tab: str = "sc") -> bytes:
    menu = page.locator(f"#{tab}-take .sc-export")
    if menu.get_attribute("open") is None:
        menu.locator("summary").click()
    with page.expect_download() as download:
        page.click(f"#{tab}-take [data-do={name}]")
    return Path(download.value.path()).read_bytes()


def test_a_speaker_is_renamed_in_the_text_and_in_what_is_downloaded(
    browser: Browser, service: Service
) -> None:
    page = browser.new_page(locale="en-US")
    page.set_default_timeout(PATIENCE_MILLISECONDS)
    page.goto(service.url)
    page.wait_for_selector("#sc-tab-single[data-seacod=ready]")
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
    assert exported(page, "text").decode() == f"王 <b>: {sounds.SPEECH_TEXT}\n"
    assert "<v 王 &lt;b&gt;>" in exported(page, "vtt").decode()
    assert "]王 <b>: " in exported(page, "lrc").decode()
    assert ",Default,王 <b>,0,0,0,," in exported(page, "ass").decode()
    # Again and again, with the names as they are now.
    for _ in range(2):
        written = Document(io.BytesIO(exported(page, "docx"))).paragraphs[-1].text
        assert written == f"[00:00:00] 王 <b>: {sounds.SPEECH_TEXT}"
    # This browser remembers the choice.
    page.reload()
    page.wait_for_function("document.querySelector('#sc-speakers')?.value === '1'")
    page.close()


@pytest.fixture(scope="module")
def two_people(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two voices in turns."""
    voices = [audio.decode(sounds.EXAMPLES_DIRECTORY / f"sentence-{n}.flac", max_seconds=60)
              for n in (1, 2)]  # fmt: skip
    pause = np.zeros(16_000, dtype=np.float32)
    samples = np.concatenate(
        [part for _ in range(3) for voice in voices for part in (voice, pause)]
    )
    path = tmp_path_factory.mktemp("people") / "meeting.wav"
    path.write_bytes(sounds.wav((samples * 32767).astype("<i2").tobytes()))
    return path


@pytest.mark.parametrize("is_phone", [False, True], ids=["desk", "phone"])
def test_a_person_plays_corrects_names_and_exports(
    browser: Browser, service: Service, two_people: Path, is_phone: bool
) -> None:
    page = browser.new_page(
        locale="zh-CN", viewport={"width": 390 if is_phone else 1440, "height": 844},
        has_touch=is_phone, is_mobile=is_phone,
    )  # fmt: skip
    page.set_default_timeout(PATIENCE_MILLISECONDS)
    press = (lambda one: page.locator(one).first.tap()) if is_phone else page.click
    lines = page.locator("#sc-text p[data-id]")
    page.goto(service.url)
    page.wait_for_selector("#sc-tab-single[data-seacod=ready]")
    page.set_input_files("#sc-file", two_people)
    page.select_option("#sc-speakers", "2")
    press("#sc-recognise")
    page.wait_for_selector("#sc-take:not([hidden])")
    before = lines.all_text_contents()
    assert len(before) == 6
    # A word is touched, and heard from there.
    press("#sc-text p[data-id] >> nth=2")
    page.wait_for_selector("#sc-play.sc-playing")
    page.wait_for_selector("#sc-text p.sc-now")
    press("#sc-play")
    # Two mistakes where they stand, one everywhere.
    press("#sc-take [data-do=edit]")
    for number in (1, 3):
        press(f"#sc-text p[data-id] >> nth={number}")
        page.keyboard.press("End")
        page.keyboard.type("了")
    press("#sc-take [data-do=edit]")
    press("#sc-take [data-do=find]")
    page.fill("#sc-find [data-do=wanted]", "天气")
    page.fill("#sc-find [data-do=other]", "天色")
    press("#sc-find [data-do=all]")
    press("#sc-find [data-do=close]")
    after = [one.replace("天气", "天色") for one in before]
    after[1] += "了"
    after[3] += "了"
    assert lines.all_text_contents() == after
    # Who it is, once for all of their sentences.
    name = page.locator("#sc-text .sc-turn button").first.inner_text()
    press("#sc-text .sc-turn button")
    page.fill("#sc-text input.sc-speaker", "李玲")
    page.press("#sc-text input.sc-speaker", "Enter")
    assert name not in page.locator("#sc-text .sc-turn button").all_inner_texts()
    paragraphs = Document(io.BytesIO(exported(page, "docx"))).paragraphs
    written = "\n".join(one.text for one in paragraphs)
    assert "李玲: " in written
    srt = exported(page, "srt").decode()
    for sentence in after:
        assert sentence in srt
    # And it is there after a reload.
    page.reload()
    page.wait_for_selector("#sc-text p[data-id]")
    assert lines.all_text_contents() == after
    page.close()


def test_a_microphone_has_its_speakers_at_the_end(browser: Browser, service: Service) -> None:
    page = browser.new_page(locale="en-US", permissions=["microphone"])
    page.set_default_timeout(PATIENCE_MILLISECONDS)
    page.goto(service.url)
    page.wait_for_selector("#sc-tab-single[data-seacod=ready]")
    page.get_by_role("tab", name="Live recording").click()
    page.select_option("#sc-live-speakers", "1")
    page.click("#sc-live-start")
    sentences = "#sc-live-text p[data-start]"
    page.wait_for_function(f"document.querySelectorAll('{sentences}').length >= 1")
    assert page.locator("#sc-live-text .sc-turn button").count() == 0
    page.click("#sc-live-stop")
    page.wait_for_selector("#sc-live-recording:not([hidden])")
    assert page.locator("#sc-live-text .sc-turn button").all_inner_texts() == ["S1"]
    # What a reader ought to know is told there, too.
    assert "for trying" in page.inner_text("#sc-live-details")
    page.locator("#sc-live-text .sc-turn button").click()
    page.fill("#sc-live-text input.sc-speaker", "Anna")
    page.press("#sc-live-text input.sc-speaker", "Enter")
    document = Document(io.BytesIO(exported(page, "docx", "sc-live")))
    assert "Anna: " in document.paragraphs[-1].text
    page.close()
