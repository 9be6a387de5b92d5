"""What the page says is seen where it is said: in the window, and nothing lies over it, on the
screens that people have. The model stands still while a test looks (faults/faulty_worker.py)."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import sounds
from playwright.sync_api import Browser, Page
from supervised import ROOT, Faulty

from seacod.asr import audio

if TYPE_CHECKING:
    from conftest import Visit

SCREENS = [(1366, 768), (1280, 720), (1920, 1080), (390, 844)]
# All of it is in the window, and what is met at its corners and in its middle is it.
IN_SIGHT = """(selector) => {
  const box = document.querySelector(selector);
  const { left, right, top, bottom, height } = box.getBoundingClientRect();
  if (!height || top < 0 || bottom > innerHeight) return false;
  return [top + 3, (top + bottom) / 2, bottom - 3].every((y) =>
    [left + 8, (left + right) / 2, right - 8].every((x) =>
      box.contains(document.elementFromPoint(x, y))));
}"""

on_screens = pytest.mark.parametrize("screen", SCREENS, ids=lambda one: f"{one[0]}x{one[1]}")


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Faulty]:
    made = Faulty(tmp_path_factory.mktemp("in-sight"))
    made.configure(server={"page": "on"})
    with made.running():
        yield made


@pytest.fixture
def see(visit, service: Faulty):
    def open_page(screen: tuple[int, int], at: Browser | None = None) -> Visit:
        seen = visit(url=service.url, at=at, locale="en-US", reduced_motion="reduce")
        seen.page.set_viewport_size({"width": screen[0], "height": screen[1]})
        return seen

    return open_page


def in_sight(page: Page, selector: str) -> None:
    page.wait_for_selector(f"{selector}:not([hidden])")
    page.wait_for_function(IN_SIGHT, arg=selector)


@pytest.fixture(scope="module")
def no_audio(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("no-audio") / "page.wav"
    path.write_bytes(b"<html>this is no audio</html>")
    return path


@on_screens
def test_why_a_file_is_refused_is_seen(see, screen: tuple[int, int], no_audio: Path) -> None:
    page = see(screen).page
    page.click("#sc-recognise")
    in_sight(page, "#sc-problem")
    page.set_input_files("#sc-file", no_audio)
    page.wait_for_selector("#sc-player:not([hidden])")
    page.click("#sc-recognise")
    in_sight(page, "#sc-problem")
    # Nothing is said of a text, where there is none.
    assert page.evaluate("document.querySelector('#sc-play').disabled")
    assert page.is_hidden("#sc-player [data-mute]")


def test_that_a_browser_cannot_play_it_is_said_beside_a_text(see, tmp_path: Path) -> None:
    # Chromium knows no AIFF.
    recording = tmp_path / "speech.aiff"
    speech = audio.decode(sounds.SPEECH, max_seconds=60)
    sounds.encode(recording, 0, container="aiff", codec="pcm_s16be", samples=speech)
    seen = see(SCREENS[0])
    page = seen.page
    page.set_input_files("#sc-file", recording)
    seen.recognise()
    assert seen.wait_for_text()
    page.wait_for_selector("#sc-player [data-mute]:not([hidden])")
    assert "the text can be corrected" in page.inner_text("#sc-player [data-mute]")


@on_screens
def test_what_goes_on_is_seen(see, service: Faulty, screen: tuple[int, int]) -> None:
    seen = see(screen)
    page = seen.page
    seen.choose(sounds.SPEECH)
    with service.holding():
        seen.recognise()
        in_sight(page, "#sc-state")
        page.click("#sc-cancel")
        page.wait_for_selector("#sc-state", state="hidden")


@on_screens
def test_that_the_service_is_paused_is_seen(see, service: Faulty, screen: tuple[int, int]) -> None:
    seen = see(screen)
    page = seen.page
    seen.choose(sounds.SPEECH)
    seacod(service, "pause", "an upgrade")
    try:
        seen.recognise()
        in_sight(page, "#sc-problem")
        page.wait_for_selector("#sc-connection.sc-paused:not([hidden])")
        in_sight(page, "#sc-problem")
    finally:
        seacod(service, "resume")


def seacod(service: Faulty, *words: str) -> None:
    subprocess.run(
        [sys.executable, "-m", "seacod", *words, "--config", str(service.config)],
        cwd=ROOT, env={**os.environ, "LC_ALL": "C.UTF-8"}, capture_output=True, check=True,
    )  # fmt: skip


@on_screens
def test_a_batch_and_what_is_wrong_with_it_are_seen(
    see, service: Faulty, screen: tuple[int, int]
) -> None:
    seen = see(screen)
    page = seen.page
    seen.open_tab("batch")
    page.click("#sc-batch [type=submit]")
    in_sight(page, "#sc-batch-problem")
    page.set_input_files("#sc-batch-files", sounds.SPEECH)
    with service.holding():
        page.click("#sc-batch [type=submit]")
        in_sight(page, "#sc-job-summary")
        in_sight(page, "#sc-job .sc-files tbody tr")
    page.wait_for_selector(".sc-file-done .sc-open")
    page.click(".sc-file-done .sc-open")
    in_sight(page, "#sc-batch-reading")
    # The next one, below a form with a player at the bottom.
    page.evaluate("scrollTo(0, 0)")
    page.click("#sc-batch [type=submit]")
    in_sight(page, "#sc-batch-problem")


@on_screens
def test_a_microphone_and_what_is_wrong_with_it_are_seen(
    see, deaf_browser: Browser, screen: tuple[int, int]
) -> None:
    seen = see(screen, at=deaf_browser)
    seen.open_tab("live")
    seen.page.click("#sc-live-start")
    in_sight(seen.page, "#sc-live-problem")


@on_screens
def test_that_the_microphone_is_heard_is_seen(see, screen: tuple[int, int]) -> None:
    seen = see(screen)
    page = seen.page
    seen.open_tab("live")
    page.click("#sc-live-start")
    in_sight(page, "#sc-live-state")
    page.wait_for_selector("#sc-live-text p:not(.sc-partial)")
    page.click("#sc-live-stop")
    page.wait_for_selector("#sc-live-recording:not([hidden])")
    # What is to be known of the text.
    in_sight(page, "#sc-live-details .sc-warning")


@on_screens
def test_what_is_to_be_known_of_a_text_is_seen(
    see, screen: tuple[int, int], tmp_path: Path
) -> None:
    speech = audio.decode(sounds.SPEECH, max_seconds=60)
    recording = sounds.encode(tmp_path / "long.wav", 0, samples=np.tile(speech, 60))
    seen = see(screen)
    for one in (sounds.SPEECH, recording):
        seen.hear(one)
        in_sight(seen.page, "#sc-remarks .sc-warning")
