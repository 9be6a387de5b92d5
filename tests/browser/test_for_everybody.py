"""The page for people who use a screen reader, a keyboard or a finger: axe-core finds nothing
serious on any tab and in any state, light and dark; targets on a phone are big enough."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import sounds
from playwright.sync_api import Page
from supervised import Service

PACKAGE = Path(__file__).parent / "node_modules/axe-core"
TABS = ("single", "batch", "live", "system")
# WCAG 2.2 AA, and what axe itself thinks best.
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


STILL = """() => Promise.all(document.getAnimations()
    .filter((one) => one.effect.getTiming().iterations !== Infinity)
    .map((one) => one.finished.catch(() => null)))"""


@cache
def axe() -> str:
    assert PACKAGE.is_dir(), "npm install --prefix tests/browser (tests/run does it)"
    return (PACKAGE / "axe.min.js").read_text("utf-8")


def findings(page: Page) -> list[dict[str, Any]]:
    """What is serious or worse, with the places."""
    page.evaluate(axe())
    # Colours that are on their way are none that anybody reads.
    page.evaluate(STILL)
    found = page.evaluate(
        "rules => axe.run(document, {runOnly: {type: 'tag', values: rules}})", RULES
    )
    return [
        {"rule": one["id"], "help": one["help"],
         "places": [f"{node['html'][:160]} | {node['failureSummary'][-160:]}"
                    for node in one["nodes"]][:4]}
        for one in found["violations"]
        if one["impact"] in ("serious", "critical")
    ]  # fmt: skip


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(("locale", "width"), [("zh-CN", 1200), ("en-US", 390)])
def test_nothing_serious_on_any_tab(visit, scheme: str, locale: str, width: int) -> None:
    seen = visit(scheme=scheme, locale=locale, width=width)
    for tab in TABS:
        seen.open_tab(tab)
        if tab == "system":
            seen.page.wait_for_selector("#sc-plots figure:visible")
        assert findings(seen.page) == [], tab


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_serious_in_any_state(visit, live: Service, scheme: str) -> None:
    seen = visit(scheme=scheme)
    page = seen.page
    # Nothing chosen: a mistake.
    seen.recognise()
    seen.wait_for_problem()
    assert findings(page) == [], "a mistake"
    # A result, with doubtful words and a hotword that was not heard.
    seen.choose(sounds.SPEECH)
    page.fill("#sc-hotwords", "海鸟 龘")
    seen.recognise()
    seen.wait_for_text()
    assert findings(page) == [], "a result"
    page.click("#sc-take [data-do=edit]")
    assert findings(page) == [], "editing"
    page.keyboard.press("Escape")
    page.click("#sc-take [data-do=find]")
    page.fill("#sc-find [data-do=wanted]", sounds.SPEECH_TEXT[:1])
    page.wait_for_function("document.querySelector('#sc-find [data-count]').innerText !== ''")
    assert findings(page) == [], "the search"
    page.keyboard.press("Escape")
    for menu in ("view", "export"):
        page.click(f"#sc-take .sc-{menu} summary")
        assert findings(page) == [], menu
        page.keyboard.press("Escape")
    page.click("#sc-take [data-do=keys]")
    assert findings(page) == [], "the keys"
    page.keyboard.press("Escape")
    page.click("#sc-library summary")
    page.wait_for_selector(".sc-recordings li")
    assert findings(page) == [], "my recordings"
    # A batch in which one recording is none.
    seen.open_tab("batch")
    page.set_input_files(
        "#sc-batch-files",
        [{"name": "notes.wav", "mimeType": "audio/wav", "buffer": b"no sound"},
         {"name": "a.flac", "mimeType": "audio/flac", "buffer": sounds.SPEECH.read_bytes()}],
    )  # fmt: skip
    page.click("#sc-batch button[type=submit]")
    page.wait_for_selector("#sc-job-retry:not([hidden])")
    assert findings(page) == [], "a batch"
    page.click("#sc-job .sc-open")
    page.wait_for_selector("#sc-batch-text p")
    assert findings(page) == [], "a text of a batch"
    # Text as somebody speaks.
    seen.open_tab("live")
    page.click("#sc-live-start")
    page.wait_for_selector("#sc-live-text [data-start]")
    assert findings(page) == [], "a live recording"
    page.click("#sc-live-stop")
    page.wait_for_selector("#sc-live-recording:not([hidden])")
    assert findings(page) == [], "a live recording that ended"
    # The service does not answer.
    page.route("**/health/live", lambda route: route.abort())
    page.wait_for_selector("#sc-connection:not([hidden]):not(.sc-back)")
    assert findings(page) == [], "an outage"


def test_nothing_serious_beside_the_page(visit, live: Service) -> None:
    seen = visit(locale="en-US")
    page = seen.page
    for address in page.locator(".sc-footer a").evaluate_all("all => all.map(a => a.href)"):
        if "/docs" in address:
            continue  # Swagger UI's own.
        page.goto(address)
        assert findings(page) == [], address


def test_help_is_in_one_language_at_a_time(visit) -> None:
    seen = visit(locale="en-US")
    page = seen.page
    page.click(".sc-footer a >> nth=0")
    assert page.locator("h1:visible").all_inner_texts() == ["Help"]
    page.click("main:visible nav a >> nth=1")
    assert page.locator("h1:visible").all_inner_texts() == ["使用说明"]
    page.click("main:visible nav a >> nth=0")
    page.wait_for_selector("#sc-tab-single")


@pytest.mark.parametrize("locale", ["zh-CN", "en-US"])
def test_a_finger_hits_what_it_means(visit, locale: str) -> None:
    seen = visit(width=390, locale=locale, has_touch=True, is_mobile=True)
    page = seen.page
    for tab in TABS:
        seen.open_tab(tab)
        small = page.evaluate(
            """() => [...document.querySelectorAll('button, select, a, label.sc-button, summary')]
                .filter((one) => one.offsetParent && !one.closest('p:not(.sc-who)'))
                .map((one) => [one.outerHTML.slice(0, 90), one.getBoundingClientRect()])
                .filter(([, box]) => box.height && box.height < 43.5)
                .map(([html, box]) => [html, Math.round(box.height)])"""
        )
        assert small == [], tab
        tabs = page.locator("#sc-tabs [role=tab]")
        for box in [tabs.nth(number).bounding_box() for number in range(4)]:
            assert box is not None
            assert box["x"] >= 0 and box["x"] + box["width"] <= 390
        assert page.evaluate("document.documentElement.scrollWidth") <= 390, tab
    shown = page.inner_text("body")
    assert "拖放" not in shown and "drop it" not in shown


@pytest.mark.parametrize("locale", ["zh-CN", "en-US"])
def test_on_a_phone_the_tools_are_one_row_and_no_menu_leaves_the_window(visit, locale: str) -> None:
    seen = visit(width=390, locale=locale, has_touch=True, is_mobile=True)
    page = seen.page
    seen.hear(sounds.SPEECH)
    edit = page.locator("#sc-take [data-do=edit]")
    page.focus("#sc-text")
    page.keyboard.press("e")
    page.keyboard.type("好")
    assert tops(page) == 1, "while somebody edits"
    edit.tap()
    assert page.is_visible("#sc-take [data-do=undo]")
    assert tops(page) == 1, "after a correction"
    for menu in ("view", "export"):
        page.locator(f"#sc-take .sc-{menu} summary").tap()
        box = page.locator(f"#sc-take .sc-{menu} .sc-menu-box").bounding_box()
        assert box is not None
        assert box["x"] >= 0 and box["x"] + box["width"] <= 390
        page.keyboard.press("Escape")


def tops(page: Page) -> int:
    """In how many rows the tools stand."""
    found: int = page.evaluate(
        """() => new Set([...document.querySelectorAll('#sc-take .sc-tool')]
          .filter((one) => one.offsetParent)
          .map((one) => Math.round(one.getBoundingClientRect().top))).size"""
    )
    return found


def test_on_a_phone_what_goes_on_comes_into_view(visit) -> None:
    seen = visit(width=390, has_touch=True, is_mobile=True)
    page = seen.page
    seen.choose(sounds.SPEECH)
    page.evaluate("document.querySelector('#sc-recognise').scrollIntoView({block: 'end'})")
    seen.recognise()
    seen.wait_for_text()
    inside = """() => { const box = document.querySelector('#sc-text').getBoundingClientRect();
        return box.top < innerHeight - 100 && box.bottom > 0; }"""
    page.wait_for_function(inside)


def test_the_api_is_described_in_the_browser_and_nothing_comes_from_elsewhere(
    visit, live: Service
) -> None:
    seen = visit()
    page = seen.page
    page.goto(f"{live.url}/docs")
    page.wait_for_selector(".opblock-summary-path >> text=/transcribe")
    assert seen.outside == []
    assert seen.complaints == []
    described = json.loads(live.get("/openapi.json")[2])
    assert page.locator(".opblock").count() >= len(described["paths"])


def test_what_goes_on_is_said_once_for_each_step(visit) -> None:
    seen = visit()
    page = seen.page
    page.evaluate(
        """() => { window.said = [];
          const box = document.querySelector('#sc-said');
          new MutationObserver(() => window.said.push(box.textContent))
            .observe(box, {childList: true, characterData: true, subtree: true}); }"""
    )
    seen.hear(sounds.SPEECH)
    page.wait_for_function("window.said.at(-1) === '识别完成。'")
    said = page.evaluate("window.said.map((one) => one.replace(/[\\d.]+/g, ''))")
    assert len(said) == len(set(said)), said
