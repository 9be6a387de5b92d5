"""The text of an hour's recording on the page: for how long the browser is busy at once while it
comes, is read, searched and corrected, when its wave is there, what the renderer takes.
measure_page.py calls it. A real recording goes through the service; nothing is said to the page in
its place."""

from __future__ import annotations

import contextlib
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
from playwright.sync_api import Browser, Page

from seacod.proving import sounds
from seacod.proving.service import PrivateService

SECONDS = 3600
CHARACTERS = 20_000
PATIENCE_MILLISECONDS = 600_000
SCROLLS = 60
# No character of it is the commonest one.
LONGER = "另行改写"
TEXT = "#sc-text p[data-id]"
# The browser tells of tasks from 50 ms on, and how long each event took until it was painted. The
# wave is there when something of it is as tall as a third of its place.
WATCH = """
window.tasks = []; window.keys = [];
new PerformanceObserver((list) => {
  for (const one of list.getEntries()) window.tasks.push(one.duration);
}).observe({type: "longtask", buffered: true});
new PerformanceObserver((list) => {
  for (const one of list.getEntries()) if (/^key/.test(one.name)) window.keys.push(one.duration);
}).observe({type: "event", durationThreshold: 16});
document.addEventListener("DOMContentLoaded", () => {
  const box = document.querySelector("#sc-single");
  const isWave = () => {
    const canvas = document.querySelector("#sc-wave canvas");
    if (!canvas.width || !canvas.height) return false;
    const height = Math.floor(canvas.height / 3);
    const row = canvas.getContext("2d").getImageData(0, height, canvas.width, 1);
    return row.data.some((one) => one);
  };
  const look = () => {
    if (box.dataset.stage !== "done" || window.finished) return;
    window.finished = performance.now();
    const again = () => {
      if (isWave()) window.waved = performance.now();
      else requestAnimationFrame(again);
    };
    again();
  };
  new MutationObserver(look).observe(box, {attributes: true});
  look();
});"""
SETTLED = """() => new Promise((done) => requestAnimationFrame(() =>
  requestAnimationFrame(() => setTimeout(done, 500))))"""


def an_hour(browser: Browser, service: PrivateService) -> dict[str, Any]:
    """An hour of speech, chosen, recognised, read, corrected and opened again.

    Returns:
        Milliseconds of the longest task of the browser in each part (0 is shorter than 50), seconds
        until the wave was there, and bytes of the renderer.
    """
    _step_aside(service)
    context = browser.new_context(locale="zh-CN", viewport={"width": 1440, "height": 850})
    context.set_default_timeout(PATIENCE_MILLISECONDS)
    context.add_init_script(WATCH)
    page = context.new_page()
    took: list[int] = []

    def measured(act: Callable[[], None]) -> float:
        page.evaluate(SETTLED)
        page.evaluate("window.tasks = []")
        act()
        page.evaluate(SETTLED)
        took.append(_renderer_bytes())
        return float(round(max(page.evaluate("window.tasks"), default=0.0)))

    with tempfile.TemporaryDirectory() as scratch:
        recording = Path(scratch) / "hour.wav"
        recording.write_bytes(sounds.wav(sounds.speech(SECONDS)))
        page.goto(service.url)
        page.wait_for_selector("#sc-tab-single[data-seacod=ready]")
        longest = {"text comes": measured(lambda: _recognise(page, recording))}
        wave = _wave_seconds(page)
        sentences, characters = _extent(page)
        longest |= {
            "scrolling": measured(lambda: _scroll(page)),
            "playing": measured(lambda: _play(page)),
            "searching": measured(lambda: _search(page)),
            "replacing all": measured(lambda: _lengthen(page)),
        }
        _, corrected = _extent(page)
        page.evaluate("window.keys = []")
        longest["correcting"] = measured(lambda: _correct(page))
        key = page.evaluate("Math.max(0, ...window.keys)")
        longest["opening again"] = measured(lambda: _reopen(page))
        reopened = page.evaluate("window.waved") / 1000
    context.close()
    return {
        "seconds": SECONDS,
        "sentences": sentences,
        "characters": characters,
        "characters_corrected": corrected,
        "longest_task_milliseconds": longest,
        "longest_key_milliseconds": key,
        "wave_seconds_after_the_text": wave,
        "wave_seconds_after_a_reload": round(reopened, 2),
        "renderer_bytes": max(took),
    }


def _step_aside(service: PrivateService) -> None:
    """Who looks at a page sits at another machine: the browser does not wait for the service's
    work."""
    root = psutil.Process(service.process.pid)
    for process in (root, *root.children(recursive=True)):
        with contextlib.suppress(psutil.Error):
            process.nice(15)


def _recognise(page: Page, recording: Path) -> None:
    page.set_input_files("#sc-file", recording)
    page.wait_for_function("!document.querySelector('#sc-play').disabled")
    page.click("#sc-recognise")
    page.wait_for_selector("#sc-details .sc-facts")
    page.wait_for_function("window.waved")


def _wave_seconds(page: Page) -> float:
    return round(float(page.evaluate("(window.waved - window.finished) / 1000")), 2)


def _extent(page: Page) -> tuple[int, int]:
    """Sentences and characters."""
    all_of_it = page.locator(TEXT).all_text_contents()
    return len(all_of_it), sum(map(len, all_of_it))


def _scroll(page: Page) -> None:
    tall = page.evaluate("document.documentElement.scrollHeight")
    page.mouse.move(700, 400)
    for _ in range(SCROLLS):
        page.mouse.wheel(0, tall / SCROLLS)
        page.wait_for_timeout(50)


def _play(page: Page) -> None:
    """From a word far behind, for two seconds."""
    line = page.locator(TEXT).nth(700)
    line.scroll_into_view_if_needed()
    line.click()
    page.wait_for_timeout(2000)
    page.click("#sc-play")


def _search(page: Page) -> None:
    page.focus("#sc-text")
    page.keyboard.press("Control+f")
    page.keyboard.type(_commonest(page))
    page.wait_for_function("document.querySelector('#sc-find [data-count]').innerText !== ''")
    for _ in range(5):
        page.keyboard.press("Enter")


def _lengthen(page: Page) -> None:
    """Another word for each that was found, so that the text has as many characters as an hour of
    quick speech."""
    _, characters = _extent(page)
    word = _commonest(page)
    found = sum(one.count(word) for one in page.locator(TEXT).all_text_contents())
    more = max(1, -(-(CHARACTERS - characters) // found))
    page.fill("#sc-find [data-do=other]", (LONGER * (1 + more))[: 1 + more])
    page.click("#sc-find [data-do=all]")
    page.click("#sc-find [data-do=close]")


def _commonest(page: Page) -> str:
    return Counter("".join(page.locator(TEXT).all_text_contents()).replace(" ", "")).most_common(1)[
        0
    ][0]


def _correct(page: Page) -> None:
    """In the middle: typed, split, joined, undone."""
    page.locator(TEXT).nth(500).scroll_into_view_if_needed()
    page.locator(TEXT).nth(500).dblclick()
    page.keyboard.press("ArrowRight")
    page.keyboard.type("真的很好", delay=80)
    for key in ("Enter", "Backspace", "Control+z", "Control+z", "Control+z", "Escape"):
        page.keyboard.press(key)
        page.wait_for_timeout(80)


def _reopen(page: Page) -> None:
    page.reload()
    page.wait_for_function("window.waved")


def _renderer_bytes() -> int:
    """What the largest renderer below us has to itself."""
    largest = 0
    for process in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.Error):
            if "--type=renderer" in process.cmdline():
                largest = max(largest, int(process.memory_full_info().uss))
    return largest
