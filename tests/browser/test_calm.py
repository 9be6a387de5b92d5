"""The page comes quickly and stays where it is: what is fetched, what moves, what a tab's address
is worth, and what happens to files that are dropped beside."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import sounds
from patience import PATIENCE_MILLISECONDS
from playwright.sync_api import Browser, Page
from supervised import Service

READY = "#sc-tab-single[data-seacod=ready]"
SHIFTS = """window.shifts = []; new PerformanceObserver((list) => {
  for (const one of list.getEntries()) if (!one.hadRecentInput) window.shifts.push(
    [one.value, ...one.sources.map(({node}) => node?.id || node?.className || node?.nodeName)]);
}).observe({type: "layout-shift", buffered: true});"""
# Two frames after everything that the page asks for at first has been answered.
SETTLED = """() => new Promise((resolve) =>
  requestAnimationFrame(() => requestAnimationFrame(() => resolve(true))))"""


@pytest.fixture
def fresh(browser: Browser, live: Service) -> Iterator[Page]:
    """A page before its first visit."""
    context = browser.new_context(locale="zh-CN", viewport={"width": 1440, "height": 850})
    context.set_default_timeout(PATIENCE_MILLISECONDS)
    context.add_init_script(SHIFTS)
    yield context.new_page()
    context.close()


@pytest.mark.parametrize("width", [1440, 1024, 390])
@pytest.mark.parametrize("locale", ["zh-CN", "en-US"])
def test_nothing_moves_and_little_is_fetched(
    browser: Browser, live: Service, width: int, locale: str
) -> None:
    context = browser.new_context(locale=locale, viewport={"width": width, "height": 850})
    context.set_default_timeout(PATIENCE_MILLISECONDS)
    context.add_init_script(SHIFTS)
    page = context.new_page()
    network = context.new_cdp_session(page)
    network.send("Network.enable")
    fetched: list[float] = []
    network.on("Network.loadingFinished", lambda one: fetched.append(one["encodedDataLength"]))
    page.goto(live.url)
    page.wait_for_selector(READY)
    page.wait_for_load_state("networkidle")
    page.evaluate(SETTLED)
    shifts = page.evaluate("window.shifts")
    assert sum(one[0] for one in shifts) <= 0.02, shifts
    assert len(fetched) <= 25
    assert sum(fetched) <= 250_000
    context.close()


def test_header_tabs_and_first_screen_are_in_the_first_html(fresh: Page, live: Service) -> None:
    fresh.route("**/main.js", lambda route: route.abort())
    fresh.goto(live.url)
    for shown in ("#sc-language", "#sc-drop", "#sc-recognise"):
        assert fresh.is_visible(shown)
    assert fresh.locator("#sc-tabs [role=tab]").all_inner_texts() == [
        "单文件识别", "批量处理", "实时录音", "系统信息",
    ]  # fmt: skip
    assert "欣悦" in (fresh.get_attribute("#sc-hotwords", "placeholder") or "")


def test_a_second_visit_asks_for_little(fresh: Page, live: Service) -> None:
    fresh.goto(live.url)
    fresh.wait_for_selector(READY)
    network = fresh.context.new_cdp_session(fresh)
    network.send("Network.enable")
    asked: dict[str, str] = {}
    network.on("Network.requestWillBeSent", lambda one: note(asked, one))
    network.on("Network.requestServedFromCache", lambda one: asked.pop(one["requestId"], None))
    network.on("Network.responseReceived", lambda one: forget_kept(asked, one))
    fresh.goto(f"{live.url}/?again")
    fresh.wait_for_selector(READY)
    kept = fresh.evaluate(
        "performance.getEntriesByType('resource').filter(r => r.name.includes('/ui/'))"
        ".map(r => r.transferSize)"
    )
    assert kept and set(kept) == {0}
    # The document, and what of it is of this moment.
    assert 1 <= len(asked) <= 5, asked
    assert not [url for url in asked.values() if "/ui/" in url]


def note(asked: dict[str, str], one: dict[str, Any]) -> None:
    if one["request"]["url"].startswith("http"):
        asked[one["requestId"]] = one["request"]["url"]


def forget_kept(asked: dict[str, str], one: dict[str, Any]) -> None:
    """What came from the disk asked nobody."""
    if one["response"].get("fromDiskCache"):
        asked.pop(one["requestId"], None)


def test_the_address_names_the_tab_and_back_goes_back(visit, live: Service) -> None:
    seen = visit()
    page = seen.page
    seen.open_tab("batch")
    seen.open_tab("live")
    assert page.url.endswith("/#live")
    page.go_back()
    page.wait_for_selector("#sc-tab-batch", state="visible")
    assert page.get_attribute("#sc-tab-of-batch", "aria-selected") == "true"
    page.go_back()
    page.wait_for_selector("#sc-tab-single", state="visible")
    page.go_forward()
    page.wait_for_selector("#sc-tab-batch", state="visible")
    page.goto(f"{live.url}/#system")
    page.wait_for_selector("#sc-tab-system dd")
    page.goto("about:blank")
    page.goto(f"{live.url}/?job=none")
    page.wait_for_selector("#sc-tab-batch", state="visible")


def test_tabs_are_one_stop_of_the_keyboard(visit) -> None:
    seen = visit()
    page = seen.page
    page.focus("#sc-tab-of-single")
    page.keyboard.press("ArrowRight")
    assert page.evaluate("document.activeElement.id") == "sc-tab-of-batch"
    assert page.is_visible("#sc-tab-batch")
    page.keyboard.press("End")
    assert page.is_visible("#sc-tab-system")
    page.keyboard.press("ArrowRight")
    assert page.is_visible("#sc-tab-single")
    assert page.locator("#sc-tabs [role=tab][tabindex='0']").count() == 1


DROP = """([name, bytes, at]) => {
  const data = new DataTransfer();
  data.items.add(new File([new Uint8Array(bytes)], name, {type: "audio/flac"}));
  const given = {dataTransfer: data, bubbles: true, cancelable: true};
  const box = document.querySelector(at);
  const over = new DragEvent("dragover", given);
  box.dispatchEvent(over);
  const drop = new DragEvent("drop", given);
  box.dispatchEvent(drop);
  return [over.defaultPrevented, drop.defaultPrevented];
}"""


def test_a_file_dropped_beside_the_zone_does_not_take_the_page_away(visit) -> None:
    seen = visit()
    page = seen.page
    sound = list(sounds.SPEECH.read_bytes())
    assert page.evaluate(DROP, [sounds.SPEECH.name, sound, ".sc-footer"]) == [True, True]
    page.wait_for_function(f"document.body.innerText.includes('{sounds.SPEECH.name}')")
    seen.open_tab("system")
    assert page.evaluate(DROP, [sounds.SPEECH.name, sound, "h1"]) == [True, True]
    assert seen.complaints == []
