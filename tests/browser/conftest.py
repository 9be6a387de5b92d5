"""A real Chromium, headless; `visit` opens the page and watches what it loads and complains of."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import sounds
from playwright.sync_api import Browser, Page, Request, sync_playwright
from supervised import Service

# What keeps a fresh Chromium from talking to its makers, so that only the page's requests count.
ARGUMENTS = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --use-fake-ui-for-media-stream "
    "--use-fake-device-for-media-stream"
).split()


# Per module: while Playwright is open it keeps an event loop in the main thread, and tests that
# come after it could run none of their own.
@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    program = shutil.which("chromium")
    if program is None:
        pytest.skip("chromium is missing: apt-get install chromium")
    # What the browser's microphone hears: a sentence, again and again.
    from seacod.asr import audio

    speech = audio.decode(sounds.SPEECH, max_seconds=60)
    heard = tmp_path_factory.mktemp("microphone") / "speech.wav"
    sounds.encode(heard, 0, samples=speech, rate=48_000)
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(
            executable_path=program,
            args=[*ARGUMENTS, f"--use-file-for-fake-audio-capture={heard}"],
        )
        yield launched
        launched.close()


@dataclass
class Visit:
    """A page and what was seen while it was open."""

    page: Page
    complaints: list[str] = field(default_factory=list)
    outside: list[str] = field(default_factory=list)

    def upload(self, path: Path) -> None:
        """Choose a file and wait until the page has it."""
        with self.uploading():
            self.page.locator("#sc-recording input[type=file]").set_input_files(path)

    @contextmanager
    def uploading(self) -> Iterator[None]:
        """Wait until what the block gives the page is with the service and can be played."""
        with self.page.expect_response(lambda answer: "/upload" in answer.url):
            yield
        self.page.wait_for_selector("#sc-recording .play-pause-button")

    def recognise(self) -> None:
        self.page.click("#sc-recognise")

    @property
    def text(self) -> str:
        return self.page.locator("#sc-text textarea").input_value()

    def wait_for_text(self) -> str:
        self.page.wait_for_selector(".sc-facts")
        return self.text

    def wait_for_problem(self) -> str:
        return self.page.wait_for_selector(".sc-problem").inner_text()


Visitor = Callable[..., Visit]


@pytest.fixture
def visit(browser: Browser, live: Service) -> Iterator[Visitor]:
    contexts = []

    def open_page(locale: str = "zh-CN", width: int = 1200, scheme: str = "light") -> Visit:
        context = browser.new_context(
            locale=locale,
            viewport={"width": width, "height": 850},
            color_scheme=scheme,  # type: ignore[arg-type]
            permissions=["microphone"],
        )
        contexts.append(context)
        context.set_default_timeout(60_000)
        seen = Visit(context.new_page())

        def watch(request: Request) -> None:
            if not request.url.startswith((live.url, "data:", "blob:")):
                seen.outside.append(request.url)

        seen.page.on("request", watch)
        seen.page.on(
            "console", lambda m: seen.complaints.append(m.text) if m.type == "error" else None
        )
        seen.page.on("pageerror", lambda error: seen.complaints.append(str(error)))
        seen.page.goto(live.url)
        seen.page.wait_for_selector("#sc-recognise")
        return seen

    yield open_page
    for context in contexts:
        context.close()
