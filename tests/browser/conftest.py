"""A real Chromium, headless and cut off from every network but this machine; `visit` opens the page
and watches what it loads and complains of."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sounds
from patience import PATIENCE_MILLISECONDS
from playwright.sync_api import (
    Browser,
    BrowserContext,
    Page,
    Playwright,
    Request,
    expect,
    sync_playwright,
)
from supervised import Service

# What keeps a fresh Chromium from talking to its makers, so that only the page's requests count;
# and no name but these leads anywhere.
ARGUMENTS = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --autoplay-policy=no-user-gesture-required"
).split()
_NETWORK = "--host-resolver-rules=MAP plain.example 127.0.0.1, MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"
_MICROPHONE = ("--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream")


def launch(playwright: Playwright, *more: str) -> Browser:
    program = shutil.which("chromium")
    if program is None:
        pytest.skip("chromium is missing: apt-get install chromium")
    return playwright.chromium.launch(executable_path=program, args=[*ARGUMENTS, _NETWORK, *more])


# Per module: while Playwright is open it keeps an event loop in the main thread, and tests that
# come after it could run none of their own.
@pytest.fixture(scope="module")
def playwright() -> Iterator[Playwright]:
    expect.set_options(timeout=PATIENCE_MILLISECONDS)
    with sync_playwright() as one:
        yield one


@pytest.fixture(scope="module")
def browser(playwright: Playwright, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    # What the browser's microphone hears: a sentence and a pause, again and again.
    from seacod.asr import audio

    speech = audio.decode(sounds.SPEECH, max_seconds=60)
    heard = tmp_path_factory.mktemp("microphone") / "speech.wav"
    pause = np.zeros(24_000, dtype=np.float32)
    sounds.encode(heard, 0, samples=np.concatenate([speech, pause]), rate=48_000)
    launched = launch(playwright, *_MICROPHONE, f"--use-file-for-fake-audio-capture={heard}")
    yield launched
    launched.close()


@pytest.fixture(scope="module")
def deaf_browser(playwright: Playwright) -> Iterator[Browser]:
    """One without any microphone."""
    launched = launch(playwright, "--use-fake-ui-for-media-stream")
    yield launched
    launched.close()


@pytest.fixture(scope="module")
def refusing_browser(playwright: Playwright) -> Iterator[Browser]:
    """One whose user refuses the microphone."""
    launched = launch(playwright, "--use-fake-device-for-media-stream", "--deny-permission-prompts")
    yield launched
    launched.close()


@dataclass
class Visit:
    """A page and what was seen while it was open."""

    page: Page
    complaints: list[str] = field(default_factory=list)
    outside: list[str] = field(default_factory=list)
    sent: list[str] = field(default_factory=list)

    def open_tab(self, name: str) -> None:
        at = "name => window.seacodSetup.tabs.findIndex((tab) => tab.name === name)"
        self.page.locator("#sc-tabs [role=tab]").nth(self.page.evaluate(at, name)).click()
        self.page.wait_for_selector(f"#sc-tab-{name}[data-seacod=ready]")

    def choose(self, path: Path) -> None:
        """Choose a recording, and wait until its length is known and its wave drawn."""
        self.page.set_input_files("#sc-file", path)
        self.page.wait_for_function("!document.querySelector('#sc-play').disabled")

    def open_options(self) -> None:
        """Hotwords and the like, which are folded up once there is a text."""
        if self.page.get_attribute("#sc-options", "open") is None:
            self.page.click("#sc-options > summary")

    def recognise(self) -> None:
        self.page.click("#sc-recognise")

    def hear(self, path: Path) -> str:
        """Choose a recording and have it recognised; its text."""
        self.choose(path)
        self.recognise()
        return self.wait_for_text()

    @property
    def text(self) -> str:
        return "".join(self.sentences)

    @property
    def sentences(self) -> list[str]:
        return self.page.locator("#sc-text p").all_text_contents()

    def wait_for_text(self) -> str:
        self.page.wait_for_selector("#sc-details .sc-facts")
        return self.text

    def speak(self) -> None:
        """Into the microphone of the live tab, until there is a sentence."""
        self.open_tab("live")
        self.page.click("#sc-live-start")
        self.page.wait_for_selector("#sc-live-text p:not(.sc-partial)")
        self.page.click("#sc-live-stop")
        self.page.wait_for_selector("#sc-live-recording:not([hidden])")

    def take(self, format_name: str, tab: str = "sc") -> tuple[str, bytes]:
        """Export the text; name and content of the file."""
        menu = self.page.locator(f"#{tab}-take .sc-export")
        if menu.get_attribute("open") is None:
            menu.locator("summary").click()
        with self.page.expect_download() as download:
            self.page.click(f"#{tab}-take [data-do={format_name}]")
        return download.value.suggested_filename, Path(download.value.path()).read_bytes()

    def wait_for_problem(self, tab: str = "sc") -> str:
        return self.page.wait_for_selector(f"#{tab}-problem:not([hidden])").inner_text()


Visitor = Callable[..., Visit]


def watched(context: BrowserContext, url: str, login: tuple[str, str] | None = None) -> Visit:
    """A fresh page in `context` that is at the service's; `login` is a name and its password."""
    seen = Visit(context.new_page())

    def watch(request: Request) -> None:
        if not request.url.startswith((url, "data:", "blob:")):
            seen.outside.append(request.url)
        if request.method == "POST":
            seen.sent.append(request.url)

    seen.page.on("request", watch)
    seen.page.on("console", lambda m: seen.complaints.append(m.text) if m.type == "error" else None)
    seen.page.on("pageerror", lambda error: seen.complaints.append(str(error)))
    seen.page.goto(url)
    if login is not None:
        seen.page.fill("#name", login[0])
        seen.page.fill("#password", login[1])
        seen.complaints.clear()  # 401, of the page that asked.
        seen.page.click("button")
    seen.page.wait_for_selector("#sc-tab-single[data-seacod=ready]")
    return seen


@pytest.fixture
def visit(browser: Browser, live: Service) -> Iterator[Visitor]:
    contexts = []

    def open_page(
        locale: str = "zh-CN",
        width: int = 1200,
        scheme: str = "light",
        *,
        url: str = "",
        at: Browser | None = None,
        login: tuple[str, str] | None = None,
        **options: Any,
    ) -> Visit:
        context = (at or browser).new_context(
            locale=locale,
            viewport={"width": width, "height": 850},
            color_scheme=scheme,  # type: ignore[arg-type]
            **{"permissions": ["microphone"], **options},
        )
        contexts.append(context)
        context.set_default_timeout(PATIENCE_MILLISECONDS)
        return watched(context, url or live.url, login)

    yield open_page
    for context in contexts:
        context.close()
