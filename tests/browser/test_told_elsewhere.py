"""What is told to whoever does not look: a mark in the title and a notification, how it ended; and
to whoever listens to a screen reader, once for each step."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import sounds
from playwright.sync_api import Route
from supervised import wait_until

from seacod.web.page.texts import text

# Somebody who wanted to be told, has looked away, and for whom it takes long.
AWAY = """() => {
  window.told = [];
  window.Notification = class {
    static permission = 'granted';
    constructor(title, {body}) { window.told.push([title, body]); }
    close() {}
  };
  localStorage.setItem('seacod.notify', 'true');
  window.isAway = true;
  Object.defineProperty(document, 'hidden', {get: () => window.isAway, configurable: true});
}"""
LATER = """() => { const now = performance.now.bind(performance);
  performance.now = () => now() + 60_000; }"""
BACK = """() => { window.isAway = false;
  document.dispatchEvent(new Event('visibilitychange')); }"""
LISTEN = """() => { window.said = [];
  const box = document.querySelector('#sc-said');
  new MutationObserver(() => window.said.push(box.textContent))
    .observe(box, {childList: true, characterData: true, subtree: true}); }"""
REFUSED = {"error": {"status": 415, "message": "no sound", "message_zh": "没有声音"}}


@pytest.mark.parametrize(
    ("fails", "title", "mark"), [(False, "tr_notice_done", "✓ "), (True, "tr_notice_failed", "✗ ")]
)
def test_who_looks_elsewhere_is_told_how_it_ended(
    visit, fails: bool, title: str, mark: str
) -> None:
    seen = visit()
    page = seen.page
    seen.choose(sounds.SPEECH)
    waiting: list[Route] = []
    page.route("**/transcribe?stream=true", lambda route: waiting.append(route))
    page.evaluate(AWAY)
    with page.expect_request("**/transcribe?stream=true"):
        seen.recognise()
    page.evaluate(LATER)
    wait_until(lambda: page.evaluate("true") and waiting, "the request")
    if fails:
        waiting[0].fulfill(status=415, json=REFUSED)
    else:
        waiting[0].continue_()
    page.wait_for_function("window.told.length === 1")
    assert page.evaluate("window.told") == [[text("zh", title), sounds.SPEECH.name]]
    assert page.title().startswith(mark)
    page.evaluate(BACK)
    assert not page.title().startswith(mark)


def test_how_a_batch_ended_is_said_and_told(visit, tmp_path: Path) -> None:
    seen = visit()
    page = seen.page
    seen.open_tab("batch")
    page.evaluate(LISTEN)
    page.evaluate(AWAY)
    page.set_input_files("#sc-batch-files", _files(tmp_path))
    may_end: list[bool] = []

    def answer(route: Route) -> None:
        """It goes on until somebody has looked at it."""
        response = route.fetch()
        body = response.json()
        if not may_end:
            body |= {"state": "running", "counts": {"waiting": 2}}
        route.fulfill(response=response, json=body)

    page.route("**/jobs/*", answer)
    page.click("#sc-batch button[type=submit]")
    page.wait_for_function("() => document.querySelector('#sc-job-summary').textContent")
    page.evaluate(LATER)
    may_end.append(True)
    counts = [_count("file_done", 1), _count("file_failed", 1)]
    ended = [
        text("zh", "job_summary", state=text("zh", "job_done"), counts=" · ".join(order))
        for order in (counts, counts[::-1])
    ]
    page.wait_for_function("ended => ended.includes(window.said.at(-1))", arg=ended)
    ((title, body),) = page.evaluate("window.told")
    assert (title, body in ended) == (text("zh", "tr_notice_done"), True)
    said = page.evaluate("window.said")
    assert len(said) == len(set(said)), said
    # How far it is, is seen and not read out.
    assert page.locator("#sc-job [aria-live], #sc-job [role=status]").count() == 1
    assert page.locator("#sc-job-done[role=status]").count() == 1


def _files(directory: Path) -> list[Path]:
    good, broken = directory / "a.flac", directory / "broken.wav"
    good.write_bytes(sounds.SPEECH.read_bytes())
    broken.write_bytes(b"no sound")
    return [good, broken]


def _count(state: str, count: int) -> str:
    return text("zh", "job_count", state=text("zh", state), count=count)


def test_that_the_microphone_is_on_is_said(visit) -> None:
    seen = visit()
    page: Any = seen.page
    page.evaluate(LISTEN)
    seen.speak()
    said = page.evaluate("window.said")
    assert said[0] == text("zh", "tr_microphone_on")
    assert said[-1] == text("zh", "state_done")
