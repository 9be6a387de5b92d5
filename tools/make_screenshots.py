#!/usr/bin/env python3
"""Pictures of every tab of the page for docs/images.

    .venv/bin/python tools/make_screenshots.py

A real Chromium against a service of its own with the built-in model, or one at the address given.
Needs Chromium and a Chinese font (Debian: chromium fonts-wqy-microhei).
"""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, sync_playwright

from seacod.proving import sounds
from seacod.proving.service import private_service

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


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("url", nargs="?", help="of a running service; otherwise one is started")
    parser.add_argument("--out", type=Path, default=ROOT / "docs/images")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    if options.url:
        take(options.url, options.out)
        return
    with private_service("builtin") as service:
        service.wait_for_nursery()
        take(service.url, options.out)


def take(url: str, out: Path) -> None:
    """All of them."""
    with tempfile.TemporaryDirectory() as scratch, sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"),
            args=[*ARGUMENTS, f"--use-file-for-fake-audio-capture={_speech(Path(scratch))}"],
        )
        for name, (tab, locale, width, scheme) in PICTURES.items():
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
            {"single": _single, "batch": _batch, "live": _live, "system": _system}[tab](page)
            path = out / f"{name}.png"
            # On a phone what a hand holds: the window, with the player at its bottom.
            page.screenshot(path=path, full_page=width > 500)
            print(f"{path}: {path.stat().st_size // 1024} KiB")
            context.close()
        browser.close()


def _speech(directory: Path) -> Path:
    """All shipped sentences, for the microphone."""
    path = directory / "speech.wav"
    path.write_bytes(sounds.wav(sounds.speech(30.0)))
    return path


def _single(page: Page) -> None:
    """A recording of several sentences, played to its fourth one."""
    recording = (EXAMPLES / "long.flac").read_bytes()
    page.set_input_files(
        "#sc-file", {"name": "meeting.flac", "mimeType": "audio/flac", "buffer": recording}
    )
    page.wait_for_function("!document.querySelector('#sc-play').disabled")
    page.fill("#sc-hotwords", "老牛")
    page.click("#sc-recognise")
    page.wait_for_selector("#sc-details .sc-facts")
    # Where the fourth sentence stands: a click there plays from it.
    sentence = page.locator("#sc-text p[data-start]").nth(3)
    sentence.scroll_into_view_if_needed()
    box = page.evaluate(
        """() => { const range = document.createRange();
          const line = document.querySelectorAll('#sc-text p[data-start]')[3];
          range.selectNodeContents(line);
          const {left, top, height} = range.getClientRects()[0];
          return [left + 24, top + height / 2]; }"""
    )
    page.mouse.click(*box)
    page.wait_for_timeout(900)
    page.click("#sc-play")
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
    page.wait_for_timeout(1500)


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
