"""The live tab: a microphone (Chromium's, fed from a file) over a WebSocket, text as it speaks."""

from __future__ import annotations

import difflib
import os
import re
import signal
import wave
from pathlib import Path

import pytest
import sounds
from supervised import Service, wait_until

SENTENCES = "#sc-live-text p:not(.sc-partial)"
# Watches what is shown, from the first word on.
WATCH = """() => { window.seen = [];
  new MutationObserver(() => {
    const partial = document.querySelector('#sc-live-text .sc-partial');
    window.seen.push([partial ? partial.textContent : null,
                      document.querySelectorAll('#sc-live-text p:not(.sc-partial)').length]);
  }).observe(document.querySelector('#sc-live-text'),
             {subtree: true, childList: true, characterData: true}); }"""


# What the banner says and how it looks: it may be gone before anybody has looked.
BANNER = """() => { window.said = [];
  const banner = document.querySelector('#sc-connection');
  new MutationObserver(() => window.said.push([banner.innerText, banner.className]))
    .observe(banner, {subtree: true, childList: true, attributes: true}); }"""


def is_the_sentence(text: str) -> bool:
    """Whether it is what the microphone says. On a busy machine Chromium drops some of its sound,
    so a character or two may be others."""
    return difflib.SequenceMatcher(None, text, sounds.SPEECH_TEXT).ratio() >= 0.6


def sentences(page) -> list[str]:
    return page.locator(SENTENCES).all_text_contents()


def wait_for_sentences(page, count: int) -> None:
    page.wait_for_function(f"document.querySelectorAll('{SENTENCES}').length >= {count}")


def test_text_comes_while_somebody_speaks(visit, tmp_path: Path) -> None:
    seen = visit()
    page = seen.page
    seen.open_tab("live")
    page.evaluate(WATCH)
    page.click("#sc-live-start")
    wait_for_sentences(page, 3)
    assert "正在听" in page.inner_text("#sc-live-state")
    page.click("#sc-live-stop")
    page.wait_for_selector("#sc-live-recording:not([hidden])")
    shown = sentences(page)
    # The file begins anywhere in the first sentence, and "stop" comes anywhere in the last one.
    assert is_the_sentence(shown[1]), shown
    guesses = [guess for guess, _ in page.evaluate("window.seen") if guess]
    # Guesses came while the sentence was being said.
    assert any(set(guess) & set(sounds.SPEECH_TEXT) for guess in guesses), guesses

    assert seen.take("text", "sc-live")[1].decode().split() == shown
    assert shown[1] in seen.take("srt", "sc-live")[1].decode()
    with page.expect_download() as download:
        page.click("#sc-live-recording")
    with wave.open(str(download.value.path())) as sound:
        assert sound.getframerate() == 16_000
        assert sound.getnframes() / 16_000 > 3 * 2
    page.click("#sc-live-clear")
    assert sentences(page) == []
    assert seen.complaints == []
    assert seen.outside == []


def test_several_people_at_once(visit) -> None:
    pages = [visit() for _ in range(3)]
    for seen in pages:
        seen.open_tab("live")
        seen.page.click("#sc-live-start")
    for seen in pages:
        wait_for_sentences(seen.page, 2)
        seen.page.click("#sc-live-stop")
    for seen in pages:
        seen.page.wait_for_selector("#sc-live-recording:not([hidden])")
        assert is_the_sentence(sentences(seen.page)[1])
        assert seen.complaints == []


def test_a_worker_that_is_killed_loses_nothing(visit, live: Service) -> None:
    seen = visit()
    page = seen.page
    seen.open_tab("live")
    page.click("#sc-live-start")
    wait_for_sentences(page, 2)
    before = sentences(page)
    page.evaluate(BANNER)
    os.kill(live.worker_pid(), signal.SIGKILL)
    page.wait_for_function("window.said.some(([text]) => text.includes('正在恢复'))")
    assert sentences(page)[: len(before)] == before
    page.wait_for_function("window.said.some(([, look]) => look.includes('sc-back'))")
    # What was said meanwhile is heard, too: the microphone went on.
    wait_for_sentences(page, len(before) + 4)
    page.click("#sc-live-stop")
    page.wait_for_selector("#sc-live-recording:not([hidden])")
    shown = sentences(page)
    assert shown[:2] == before[:2]
    assert all(map(is_the_sentence, shown[1:-1])), shown
    starts = [float(p.get_attribute("data-start")) for p in page.locator(SENTENCES).all()]
    gaps = [later - earlier for earlier, later in zip(starts, starts[1:], strict=False)]
    # The sentence and its pause take 4.3 s: none is missing, none is there twice.
    assert all(3.0 < gap < 6.0 for gap in gaps[1:-1]), starts
    assert seen.take("text", "sc-live")[1].decode().split() == shown


@pytest.mark.parametrize("tab", ["single", "live"])
def test_a_refused_microphone_is_explained(visit, refusing_browser, tab: str) -> None:
    seen = visit(at=refusing_browser, permissions=[])
    seen.open_tab(tab)
    seen.page.click("#sc-record" if tab == "single" else "#sc-live-start")
    assert "权限被拒绝" in seen.wait_for_problem("sc" if tab == "single" else "sc-live")


def test_a_missing_microphone_is_explained(visit, deaf_browser) -> None:
    seen = visit("en-US", at=deaf_browser)
    seen.open_tab("live")
    seen.page.click("#sc-live-start")
    assert "No microphone was found" in seen.wait_for_problem("sc-live")


def test_plain_http_from_elsewhere_says_that_https_is_needed(visit, live: Service) -> None:
    elsewhere = live.url.replace("127.0.0.1", "plain.example")
    seen = visit(url=elsewhere, permissions=[])
    seen.open_tab("live")
    seen.page.click("#sc-live-start")
    assert "https" in seen.wait_for_problem("sc-live")
    # Everything else works there, copying included.
    seen.open_tab("single")
    assert seen.hear(sounds.SPEECH) == sounds.SPEECH_TEXT
    seen.page.click("#sc-take [data-do=copy]")
    seen.page.wait_for_function("document.querySelector('#sc-take [data-done]').innerText !== ''")
    assert re.search("已复制", seen.page.inner_text("#sc-take"))
    assert seen.complaints == []


def test_starting_again_keeps_the_last_and_a_sign_says_that_the_microphone_is_on(visit) -> None:
    seen = visit()
    page = seen.page
    seen.open_tab("live")
    page.click("#sc-live-start")
    wait_for_sentences(page, 1)
    assert page.title().startswith("● ")
    # On the other tabs, too, and it leads back.
    seen.open_tab("system")
    assert "麦克风已开启" in page.inner_text(".sc-microphone-on")
    page.click(".sc-microphone-on")
    page.wait_for_selector("#sc-live-stop", state="visible")
    page.click("#sc-live-stop")
    page.wait_for_selector("#sc-live-recording:not([hidden])")
    assert page.locator(".sc-microphone-on").count() == 0
    assert not page.title().startswith("● ")
    first = sentences(page)
    # A sentence leads into the sound.
    page.wait_for_function("!document.querySelector('#sc-live-play').disabled")
    page.locator(SENTENCES).first.click()
    page.wait_for_function(
        "document.querySelector('#sc-live-play').classList.contains('sc-playing')"
    )
    page.click("#sc-live-start")
    page.wait_for_selector("#sc-live-stop", state="visible")
    page.click("#sc-live-library summary")
    page.wait_for_selector("#sc-live-library li")
    page.click("#sc-live-stop")
    page.wait_for_selector("#sc-live-recording:not([hidden])")
    page.click("#sc-live-library li:last-child .sc-recording-open")
    # The second one may have as many.
    wait_until(lambda: sentences(page) == first, "the first recording")
    assert seen.complaints == []


def test_what_is_written_down_survives_a_reload(visit) -> None:
    seen = visit()
    page = seen.page
    seen.open_tab("live")
    page.click("#sc-live-start")
    wait_for_sentences(page, 2)
    before = sentences(page)
    asked = []
    page.on("dialog", lambda dialog: (asked.append(dialog.type), dialog.accept()))
    page.reload()
    assert asked == ["beforeunload"]
    page.wait_for_selector("#sc-tab-live[data-seacod=ready]")
    page.click("#sc-live-library summary")
    page.click("#sc-live-library .sc-recording-open")
    wait_for_sentences(page, 2)
    assert sentences(page)[:2] == before[:2]
