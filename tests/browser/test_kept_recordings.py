"""What this browser keeps: a reload and a crash take nothing, the list opens and deletes it, an old
text never stands under a new recording."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import sounds
from playwright.sync_api import Error
from supervised import wait_until
from test_nothing_is_lost import KEPT
from test_transcript import LINES, edit, lines, recording

READY = "#sc-tab-single[data-seacod=ready]"


def shown(seen) -> None:
    seen.page.wait_for_selector(LINES)


def open_list(seen) -> None:
    library = seen.page.locator("#sc-library")
    if library.get_attribute("open") is None:
        library.locator("summary").click()


def test_a_reload_brings_text_corrections_and_sound_back(visit) -> None:
    seen = visit()
    page = seen.page
    text = seen.hear(sounds.SPEECH)
    edit(seen, 0, 1)
    page.keyboard.type("春")
    corrected = f"{text[0]}春{text[1:]}"
    page.keyboard.press("Escape")
    page.reload()
    shown(seen)
    assert lines(seen) == [corrected]
    page.wait_for_function("!document.querySelector('#sc-play').disabled")
    assert page.inner_text("#sc-chosen-name") == sounds.SPEECH.name
    assert "builtin" in page.inner_text("#sc-details")
    # And it is corrected further.
    edit(seen, 0, 0)
    page.keyboard.type("好")
    page.reload()
    shown(seen)
    assert lines(seen) == [f"好{corrected}"]
    assert corrected in seen.take("srt")[1].decode()
    assert seen.complaints == []


def test_a_crash_takes_no_correction(visit) -> None:
    seen = visit()
    page = seen.page
    text = seen.hear(sounds.SPEECH)
    edit(seen, 0, 0)
    page.keyboard.type("我")
    url = page.url
    page.evaluate(KEPT)
    with page.expect_event("crash"), suppress(Error):
        page.goto("chrome://crash")
    again = page.context.new_page()
    again.goto(url)
    again.wait_for_selector(READY)
    again.click("#sc-library summary")
    again.click("#sc-library .sc-recording-open >> nth=0")
    again.wait_for_selector(LINES)
    assert again.locator(LINES).all_text_contents() == [f"我{text}"]


def test_an_old_text_never_stands_under_a_new_recording(visit, tmp_path: Path) -> None:
    seen = visit()
    page = seen.page
    seen.hear(sounds.SPEECH)
    other = recording(tmp_path / "other.wav", 2)
    page.set_input_files("#sc-file", other)
    page.wait_for_function("document.querySelector('#sc-chosen-name').innerText === 'other.wav'")
    assert lines(seen) == []
    assert page.locator("#sc-take").is_hidden()
    assert page.locator("#sc-details .sc-facts").count() == 0
    page.reload()
    page.wait_for_selector(READY)
    assert lines(seen) == []
    # It is in the list, with its text.
    open_list(seen)
    assert page.locator(".sc-recordings li").count() == 1
    page.click("#sc-library .sc-recording-open")
    shown(seen)
    assert page.inner_text("#sc-chosen-name") == sounds.SPEECH.name


def test_what_was_not_finished_is_there_after_a_reload(visit) -> None:
    seen = visit()
    page = seen.page
    page.route("**/transcribe?stream=true", lambda route: None)
    seen.choose(sounds.SPEECH)
    seen.recognise()
    page.wait_for_selector("#sc-library:not([hidden])")
    asked = []
    page.on("dialog", lambda dialog: (asked.append(dialog.type), dialog.accept()))
    page.reload()
    # Something ran: the browser asked before it left. Only now may an answer come.
    assert asked == ["beforeunload"]
    page.unroute_all(behavior="ignoreErrors")
    page.wait_for_function(
        "document.querySelector('#sc-state').innerText.includes('上次没有识别完成')"
    )
    assert page.inner_text("#sc-chosen-name") == sounds.SPEECH.name
    seen.recognise()
    assert seen.wait_for_text() == sounds.SPEECH_TEXT
    open_list(seen)
    assert page.locator(".sc-recordings li").count() == 1


def test_recordings_are_deleted_by_the_person_and_by_age(visit) -> None:
    seen = visit()
    page = seen.page
    seen.hear(sounds.SPEECH)
    open_list(seen)
    page.wait_for_selector(".sc-recordings li")
    page.on("dialog", lambda dialog: dialog.accept())
    page.select_option("#sc-library [data-do=days]", "7")
    assert page.locator(".sc-recordings li").count() == 1
    # Eight days later.
    page.clock.install()
    page.clock.set_fixed_time(page.evaluate("Date.now()") + 8 * 86_400_000)
    page.reload()
    page.wait_for_selector(READY)
    wait_until(lambda: page.evaluate(KEPT) == [], "what is too old to go")
    page.wait_for_selector("#sc-library", state="hidden")
    assert lines(seen) == []
    seen.hear(sounds.SPEECH)
    open_list(seen)
    page.click(".sc-recording-delete")
    page.wait_for_selector("#sc-library", state="hidden")
    assert lines(seen) == []
    assert page.evaluate(KEPT) == []
    page.reload()
    page.wait_for_selector(READY)
    assert lines(seen) == []


def test_a_recording_open_in_two_windows_is_written_by_one(visit) -> None:
    seen = visit()
    page = seen.page
    text = seen.hear(sounds.SPEECH)
    other = page.context.new_page()
    other.goto(page.url)
    other.wait_for_selector(READY)
    other.click("#sc-library summary")
    other.click("#sc-library .sc-recording-open")
    other.wait_for_selector(LINES)
    assert "另一个窗口" in seen.wait_for_problem()
    edit(seen, 0, 0)
    page.keyboard.type("错")
    other.reload()
    other.wait_for_selector(LINES)
    assert other.locator(LINES).all_text_contents() == [text]
