"""What somebody has recorded, chosen or corrected outlives what goes wrong: storage that is off or
fails, a recording deleted in another window, a refusal, a second one opened meanwhile."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import sounds
from playwright.sync_api import Dialog, Page, WebSocketRoute
from supervised import wait_until
from test_transcript import LINES, edit, lines, recording

READY = "#sc-tab-single[data-seacod=ready]"
# Name and state of all that is kept, once everything that is being written is written.
KEPT = """() => new Promise((resolve, reject) => {
  const asked = indexedDB.open('seacod');
  asked.onerror = () => reject(asked.error);
  asked.onsuccess = () => {
    const stores = ['recordings', 'texts', 'steps', 'sounds'];
    const all = asked.result.transaction(stores).objectStore('recordings').getAll();
    all.onsuccess = () => {
      asked.result.close();
      resolve(all.result.map((one) => [one.name, one.state]));
    };
  };
})"""
FRAMES = """() => new Promise((resolve) =>
  requestAnimationFrame(() => requestAnimationFrame(() => resolve(true))))"""
STORAGE_OFF = """
  IDBFactory.prototype.open = () => { throw new DOMException('off', 'SecurityError'); };"""
# The next change of a text finds no room; those after it do.
ONE_STEP_FAILS = """() => {
  const add = IDBObjectStore.prototype.add;
  let left = 1;
  IDBObjectStore.prototype.add = function (...given) {
    if (left-- > 0) throw new DOMException('full', 'QuotaExceededError');
    return add.apply(this, given);
  };
}"""


def recognised(seen: Any) -> str:
    text: str = seen.hear(sounds.SPEECH)
    return text


def open_kept(page: Page, number: int = 0, tab: str = "sc") -> None:
    library = page.locator(f"#{tab}-library")
    if library.get_attribute("open") is None:
        library.locator("summary").click()
    library.locator(".sc-recording-open").nth(number).click()


def answering(page: Page, answers: list[bool]) -> Callable[[], list[str]]:
    """Answer the questions of the page one after the other; what was asked so far."""
    asked: list[str] = []

    def answer(dialog: Dialog) -> None:
        asked.append(dialog.type)
        if answers[len(asked) - 1]:
            dialog.accept()
        else:
            dialog.dismiss()

    page.on("dialog", answer)
    return lambda: asked


def without_an_answer(page: Page) -> None:
    """Recordings are sent and never recognised."""
    page.route("**/transcribe?stream=true", lambda route: None)


# -- storage ---------------------------------------------------------------------------------------


def test_where_nothing_can_be_kept_that_is_said_and_no_text_goes_unasked(
    visit, tmp_path: Path
) -> None:
    seen = visit()
    page = seen.page
    page.add_init_script(STORAGE_OFF)
    page.reload()
    page.wait_for_selector(READY)
    text = recognised(seen)
    assert "无法保存" in seen.wait_for_problem()
    asked = answering(page, [False, True])
    other = recording(tmp_path / "other.wav", 1)
    with page.expect_event("dialog"):
        page.set_input_files("#sc-file", other)
    page.evaluate(FRAMES)
    assert lines(seen) == [text]
    assert page.inner_text("#sc-chosen-name") == sounds.SPEECH.name
    with page.expect_event("dialog"):
        page.set_input_files("#sc-file", other)
    page.wait_for_function("document.querySelector('#sc-chosen-name').innerText === 'other.wav'")
    assert lines(seen) == []
    assert asked() == ["confirm", "confirm"]
    assert seen.complaints == []


def test_a_correction_that_found_no_room_is_kept_with_the_next_one(visit) -> None:
    seen = visit()
    page = seen.page
    text = recognised(seen)
    page.evaluate(KEPT)
    page.evaluate(ONE_STEP_FAILS)
    edit(seen, 0, 0)
    page.keyboard.type("春")
    page.keyboard.press("Enter")
    page.keyboard.type("天")
    corrected = lines(seen)
    assert "".join(corrected) == f"春天{text}"
    page.evaluate(KEPT)
    page.reload()
    page.wait_for_selector(LINES)
    assert lines(seen) == corrected
    assert seen.complaints == []


def test_what_is_deleted_in_another_window_is_kept_again_with_a_correction(visit) -> None:
    seen = visit()
    page = seen.page
    text = recognised(seen)
    page.evaluate(KEPT)
    other = page.context.new_page()
    other.goto(page.url)
    other.wait_for_selector(READY)
    other.on("dialog", lambda dialog: dialog.accept())
    other.click("#sc-library summary")
    other.click("#sc-library .sc-recording-delete")
    other.wait_for_selector("#sc-library", state="hidden")
    other.close()
    assert page.evaluate(KEPT) == []
    edit(seen, 0, 0)
    page.keyboard.type("春")
    page.wait_for_function(f"async () => (await ({KEPT})()).length === 1")
    assert page.evaluate(KEPT) == [[sounds.SPEECH.name, "done"]]
    page.reload()
    page.wait_for_selector(LINES)
    assert lines(seen) == [f"春{text}"]


# -- one recording and another ---------------------------------------------------------------------


def test_a_kept_text_that_is_opened_while_another_is_recognised_stays(
    visit, tmp_path: Path
) -> None:
    seen = visit()
    page = seen.page
    text = recognised(seen)
    without_an_answer(page)
    other = recording(tmp_path / "other.wav", 1)
    page.set_input_files("#sc-file", other)
    page.wait_for_function("document.querySelector('#sc-chosen-name').innerText === 'other.wav'")
    seen.recognise()
    page.wait_for_selector("#sc-cancel:not([hidden])")
    # The one that is recognised is the first of the list.
    page.wait_for_function("document.querySelectorAll('#sc-library li').length === 2")
    open_kept(page, 1)
    page.wait_for_selector(LINES)
    page.wait_for_selector("#sc-cancel", state="hidden")
    page.evaluate(FRAMES)
    assert lines(seen) == [text]
    assert page.is_enabled("#sc-recognise")
    page.unroute_all(behavior="ignoreErrors")
    seen.open_options()
    seen.recognise()
    page.wait_for_selector("#sc-details .sc-facts")
    assert lines(seen) == [text]


def test_giving_up_takes_what_it_began_and_not_what_was_in_the_list(visit) -> None:
    seen = visit()
    page = seen.page
    without_an_answer(page)
    seen.choose(sounds.SPEECH)
    seen.recognise()
    page.wait_for_selector("#sc-library:not([hidden])")
    page.click("#sc-cancel")
    page.wait_for_selector("#sc-library", state="hidden")
    assert page.evaluate(KEPT) == []
    # Once more; the page goes away under it, so it is in the list.
    seen.recognise()
    page.wait_for_selector("#sc-library:not([hidden])")
    page.on("dialog", lambda dialog: dialog.accept())
    page.reload()
    page.wait_for_function("document.querySelector('#sc-state').innerText.includes('上次')")
    seen.recognise()
    page.wait_for_selector("#sc-cancel:not([hidden])")
    page.click("#sc-cancel")
    page.wait_for_selector("#sc-cancel", state="hidden")
    page.evaluate(FRAMES)
    assert page.evaluate(KEPT) == [[sounds.SPEECH.name, "begun"]]
    page.unroute_all(behavior="ignoreErrors")
    seen.recognise()
    assert seen.wait_for_text() == sounds.SPEECH_TEXT


def test_what_the_microphone_heard_is_kept_before_anybody_recognises_it(visit) -> None:
    seen = visit()
    page = seen.page
    page.click("#sc-record")
    page.wait_for_selector("#sc-record.sc-recording")
    page.click("#sc-record")
    page.wait_for_selector("#sc-library:not([hidden])")
    page.reload()
    page.wait_for_function("document.querySelector('#sc-state').innerText.includes('上次')")
    assert page.inner_text("#sc-chosen-name").startswith("recording-")


# -- the microphone --------------------------------------------------------------------------------

SENTENCE = {"start": 0.0, "end": 0.2, "text": "今天。", "confidence": 0.9, "tokens": []}
REFUSAL = {
    "status": 503, "message": "too many microphones; try again in 5 s",
    "message_zh": "麦克风过多；请在 5 秒后重试。", "retry_after_seconds": 5,
}  # fmt: skip


def test_a_refusal_when_the_microphone_comes_back_keeps_what_was_said(visit) -> None:
    seen = visit()
    page = seen.page
    connections: list[WebSocketRoute] = []

    def serve(socket: WebSocketRoute) -> None:
        connections.append(socket)
        is_first = len(connections) == 1

        def hear(message: str | bytes) -> None:
            if not isinstance(message, str):
                return
            if not is_first:
                socket.send(json.dumps({"type": "error", "error": REFUSAL}))
                return
            socket.send(json.dumps({"type": "ready"}))
            final = {"type": "final", "segments": [SENTENCE], "settled_seconds": 0.2}
            socket.send(json.dumps(final))

        socket.on_message(hear)

    page.route_web_socket(re.compile(r"/live$"), serve)
    page.reload()
    page.wait_for_selector(READY)
    seen.open_tab("live")
    page.click("#sc-live-start")
    page.wait_for_selector("#sc-live-text p:not(.sc-partial)")
    connections[0].close()
    assert "麦克风过多" in seen.wait_for_problem("sc-live")
    page.wait_for_selector("#sc-live-recording:not([hidden])")
    assert page.locator("#sc-live-text p").all_text_contents() == ["今天。"]
    assert page.locator(".sc-microphone-on").count() == 0
    # Nothing begins by itself, and what there is is in the list.
    assert page.locator("#sc-live-problem button:visible").count() == 0
    page.wait_for_selector("#sc-live-library:not([hidden])")
    assert len(connections) == 2


def test_whoever_gets_no_end_of_the_text_is_told_and_keeps_what_there_is(visit) -> None:
    seen = visit()
    page = seen.page
    sockets: list[WebSocketRoute] = []
    stopped: list[WebSocketRoute] = []
    final = {"type": "final", "segments": [SENTENCE], "settled_seconds": 0.2}

    def serve(socket: WebSocketRoute) -> None:
        def hear(message: str | bytes) -> None:
            if isinstance(message, str) and "stop" in message:
                stopped.append(socket)
            elif isinstance(message, str):
                socket.send(json.dumps({"type": "ready"}))
                socket.send(json.dumps(final))

        sockets.append(socket)
        socket.on_message(hear)

    page.route_web_socket(re.compile(r"/live$"), serve)
    page.clock.install()
    page.reload()
    page.wait_for_selector(READY)
    seen.open_tab("live")
    page.click("#sc-live-start")
    page.wait_for_selector("#sc-live-text p:not(.sc-partial)")
    page.click("#sc-live-stop")
    page.wait_for_function(
        "document.querySelector('#sc-live-state').innerText.includes('最后一句')"
    )
    wait_until(lambda: stopped, "the end was asked for")
    # Text still comes: it is waited for.
    page.clock.run_for(20_000)
    stopped[0].send(json.dumps(final))
    page.wait_for_function("document.querySelectorAll('#sc-live-text p').length >= 2")
    page.clock.run_for(20_000)
    assert page.is_hidden("#sc-live-problem")
    page.clock.run_for(15_000)
    assert "未能及时完成" in seen.wait_for_problem("sc-live")
    assert "结尾可能缺失" in page.inner_text("#sc-live-details")
    assert page.locator("#sc-live-text p").all_text_contents() == ["今天。", "今天。"]
    page.wait_for_selector("#sc-live-recording:not([hidden])")
    # It says so later, too, and in files.
    page.click("#sc-live-clear")
    page.click("#sc-live-library summary")
    page.click("#sc-live-library .sc-recording-open")
    page.wait_for_function(
        "document.querySelector('#sc-live-details').innerText.includes('可能缺失')"
    )
    assert "结尾可能缺失" in seen.take("vtt", "sc-live")[1].decode()


def test_two_clicks_are_one_recording(visit) -> None:
    seen = visit()
    page = seen.page
    page.evaluate(
        """() => {
          window.asked = 0;
          const devices = navigator.mediaDevices;
          const real = devices.getUserMedia.bind(devices);
          devices.getUserMedia = (wanted) => { window.asked += 1; return real(wanted); };
        }"""
    )
    for tab, start, on in (
        ("single", "#sc-record", "#sc-record.sc-recording"),
        ("live", "#sc-live-start", "#sc-live-stop:not([hidden])"),
    ):
        seen.open_tab(tab)
        before = page.evaluate("window.asked")
        page.evaluate("at => [1, 2].forEach(() => document.querySelector(at).click())", start)
        page.wait_for_selector(on)
        assert page.evaluate("window.asked") == before + 1
        page.click("#sc-record" if tab == "single" else "#sc-live-stop")
        page.wait_for_selector(".sc-microphone-on", state="detached")
