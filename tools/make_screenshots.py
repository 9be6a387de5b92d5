#!/usr/bin/env python3
"""Pictures of the page for docs/images, from a running service with the built-in model.

    ./install.sh --try --port 7860 &
    .venv/bin/python tools/make_screenshots.py http://127.0.0.1:7860

Needs Chromium and a Chinese font (Debian: chromium fonts-wqy-microhei).
"""

from __future__ import annotations

import argparse
import json
import shutil
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, sync_playwright

ROOT = Path(__file__).resolve().parents[1]
EXAMPLES = ROOT / "seacod/models/builtin/examples"
ARGUMENTS = "--no-sandbox --disable-gpu --no-first-run --disable-background-networking".split()

# name of the picture → language, width, colours
PICTURES = {
    "page-zh": ("zh-CN", 1100, "light"),
    "page-en": ("en-US", 1100, "light"),
    "page-dark": ("zh-CN", 1100, "dark"),
    "page-phone": ("zh-CN", 390, "light"),
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("url")
    parser.add_argument("--out", type=Path, default=ROOT / "docs/images")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    examples = json.loads((EXAMPLES / "examples.json").read_text("utf-8"))
    example = next(one for one in examples if one["hotwords"])
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=ARGUMENTS
        )
        for name, (locale, width, scheme) in PICTURES.items():
            page = browser.new_page(
                locale=locale,
                viewport={"width": width, "height": 800},
                color_scheme=scheme,  # type: ignore[arg-type]
            )
            page.goto(options.url)
            _transcribe(page, example)
            path = options.out / f"{name}.png"
            page.screenshot(path=path, full_page=True)
            print(f"{path}: {path.stat().st_size // 1024} KiB")
            page.close()
        browser.close()


def _transcribe(page: Page, example: dict[str, Any]) -> None:
    page.wait_for_selector("#sc-recognise")
    page.locator("#sc-recording input[type=file]").set_input_files(EXAMPLES / example["file"])
    page.wait_for_selector("#sc-recording #waveform, #sc-recording audio", state="attached")
    page.fill("#sc-hotwords textarea, #sc-hotwords input", example["hotwords"])
    page.click("#sc-recognise")
    page.wait_for_selector(".sc-facts")
    page.wait_for_timeout(800)  # the wave is drawn, the bar has faded


if __name__ == "__main__":
    main()
