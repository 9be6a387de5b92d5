#!/usr/bin/env python3
"""Pictures of every tab of the page for docs/images.

    .venv/bin/python tools/make_screenshots.py --models DIRECTORY [--minutes 4]

A real Chromium against a service of its own with the built-in model, which works for some minutes
first, so that the plots have something in them. The recording is a conversation of two people that
espeak-ng says. DIRECTORY is where `seacod model fetch resemblyzer` has put a model that tells them
apart; without it the text has no names. Needs Chromium, espeak-ng and a Chinese font (Debian:
chromium libespeak-ng1 fonts-wqy-microhei).
"""

from __future__ import annotations

import argparse
import contextlib
import json
import shutil
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from page.conversation import conversation
from playwright.sync_api import Page, sync_playwright

from seacod.proving import sounds
from seacod.proving.service import PrivateService, private_service

ROOT = Path(__file__).resolve().parents[1]
EXAMPLES = ROOT / "seacod/models/builtin/examples"
ARGUMENTS = (
    "--no-sandbox --disable-gpu --no-first-run --disable-background-networking "
    "--use-fake-ui-for-media-stream --use-fake-device-for-media-stream"
).split()

# name of the picture → tab, language, width, colours
PICTURES = {
    "page-zh": ("single", "zh-CN", 1150, "light"),
    "page-en": ("single", "en-US", 1150, "light"),
    "page-dark": ("single", "zh-CN", 1150, "dark"),
    "page-phone": ("single", "zh-CN", 390, "light"),
    "batch-zh": ("batch", "zh-CN", 1150, "light"),
    "batch-en": ("batch", "en-US", 1150, "light"),
    "live-zh": ("live", "zh-CN", 1150, "light"),
    "live-en": ("live", "en-US", 1150, "light"),
    "system-zh": ("system", "zh-CN", 1150, "light"),
    "system-en": ("system", "en-US", 1150, "dark"),
}

# Pixels: a text is shown with its player, a batch with the text that is read below its table.
TALLEST = {"single": 1100, "batch": 2000, "live": 1100, "system": 2000}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("names", nargs="*", default=list(PICTURES), help="some of them")
    parser.add_argument("--models", type=Path, help="with a model that tells speakers apart")
    parser.add_argument("--minutes", type=float, default=4.0, help="of work before it")
    parser.add_argument("--out", type=Path, default=ROOT / "docs/images")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    asr = {"models_directory": str(options.models.resolve())} if options.models else {}
    with private_service("builtin", asr=asr) as service, at_work(service, options.minutes) as over:
        service.wait_for_nursery()
        over.wait()
        wanted = {name: PICTURES[name] for name in options.names}
        take(service.url, options.out, wanted, speakers="2" if options.models else "")


@contextlib.contextmanager
def at_work(service: PrivateService, minutes: float) -> Iterator[threading.Event]:
    """Recordings now and then, some in a crowd, as long as it is open; set once the minutes are
    over."""
    over, ended = threading.Event(), threading.Event()
    timer = threading.Timer(60 * minutes, over.set)

    def send(first: int) -> None:
        for number in range(first, 10_000):
            if ended.wait((3, 7, 1, 12, 2)[number % 5]):
                return
            service.transcribe(EXAMPLES / f"sentence-{1 + number % 4}.flac")

    senders = [threading.Thread(target=send, args=(first,)) for first in range(3)]
    for thread in (timer, *senders):
        thread.start()
    try:
        yield over
    finally:
        timer.cancel()
        ended.set()
        for thread in senders:
            thread.join()


def take(
    url: str, out: Path, pictures: dict[str, tuple[str, str, int, str]], speakers: str
) -> None:
    """These pictures."""
    with tempfile.TemporaryDirectory() as scratch, sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"),
            args=[*ARGUMENTS, f"--use-file-for-fake-audio-capture={_speech(Path(scratch))}"],
        )
        for name, (tab, locale, width, scheme) in pictures.items():
            context = browser.new_context(
                locale=locale,
                viewport={"width": width, "height": 800 if width > 500 else 844},
                has_touch=width < 500,
                is_mobile=width < 500,
                color_scheme=scheme,  # type: ignore[arg-type]
                permissions=["microphone"],
            )
            page = context.new_page()
            page.goto(url)
            page.wait_for_selector("#sc-tab-single[data-seacod=ready]")
            place = page.evaluate(
                "name => window.seacodSetup.tabs.findIndex((tab) => tab.name === name)", tab
            )
            page.locator("#sc-tabs [role=tab]").nth(place).click()
            page.wait_for_selector(f"#sc-tab-{tab}[data-seacod=ready]")
            if tab == "single":
                _single(page, speakers)
            else:
                {"batch": _batch, "live": _live, "system": _system}[tab](page)
            path = out / f"{name}.png"
            # On a phone what a hand holds: the window. Otherwise all of it, and the player, which
            # stays at the bottom of the window, below the text.
            if width > 500:
                tall = page.evaluate("document.querySelector('.gradio-container').scrollHeight")
                page.set_viewport_size({"width": width, "height": min(TALLEST[tab], tall)})
                page.evaluate("scrollTo(0, 0)")
                page.wait_for_timeout(300)
            page.screenshot(path=path)
            print(f"{path}: {path.stat().st_size // 1024} KiB")
            context.close()
        browser.close()


def _speech(directory: Path) -> Path:
    """All shipped sentences, for the microphone."""
    path = directory / "speech.wav"
    path.write_bytes(sounds.wav(sounds.speech(30.0)))
    return path


def _single(page: Page, speakers: str) -> None:
    """Two people who talk, one of them named, played to a sentence in the middle."""
    recording = sounds.wav(conversation())
    page.set_input_files(
        "#sc-file", {"name": "访谈.wav", "mimeType": "audio/wav", "buffer": recording}
    )
    page.wait_for_function("!document.querySelector('#sc-play').disabled")
    page.select_option("#sc-speakers", speakers)
    page.click("#sc-recognise")
    page.wait_for_selector("#sc-details .sc-facts")
    if speakers:
        for number, name in enumerate(("李玲", "王宏")):
            page.locator(".sc-speaker").nth(number).click()
            page.keyboard.type(name)
            page.keyboard.press("Enter")
    line = page.locator("#sc-text p[data-start]").nth(5)
    line.scroll_into_view_if_needed()
    line.click()
    page.wait_for_timeout(900)
    page.click("#sc-play")
    page.evaluate("scrollTo(0, 0)")
    page.mouse.move(2, 2)
    page.wait_for_timeout(400)


def _batch(page: Page) -> None:
    files = [EXAMPLES / one["file"] for one in _examples()]
    broken = {"name": "notes.wav", "mimeType": "audio/wav", "buffer": b"no sound"}
    page.set_input_files(
        "#sc-batch-files",
        [
            *({"name": path.name, "mimeType": "audio/flac", "buffer": path.read_bytes()}
              for path in files),
            broken,
        ],
    )  # fmt: skip
    page.click("#sc-batch button[type=submit]")
    page.wait_for_selector("#sc-job-retry:not([hidden])")
    page.wait_for_selector("#sc-job-cancel", state="hidden")
    page.click("#sc-job .sc-open >> nth=5")
    page.wait_for_selector("#sc-batch-text p")
    page.wait_for_timeout(500)


def _live(page: Page) -> None:
    page.click("#sc-live-start")
    page.wait_for_function(
        "document.querySelectorAll('#sc-live-text p:not(.sc-partial)').length >= 3"
    )
    page.wait_for_selector("#sc-live-text .sc-partial")


def _system(page: Page) -> None:
    page.wait_for_selector("#sc-system dd")
    page.wait_for_timeout(500)


def _examples() -> list[dict[str, Any]]:
    listing: list[dict[str, Any]] = json.loads((EXAMPLES / "examples.json").read_text("utf-8"))
    return listing


if __name__ == "__main__":
    main()
