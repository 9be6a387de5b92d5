"""People log in at a page of ours, in their language, and out again."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import sounds
from patience import PATIENCE_MILLISECONDS
from playwright.sync_api import Browser, Page, expect
from supervised import Service
from test_nothing_is_lost import KEPT

from seacod.system import credentials

PASSWORD = "correct horse 电池"


@pytest.fixture(scope="module")
def closed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    service = Service(tmp_path_factory.mktemp("closed"))
    service.configure(
        server={"page": "on"}, access={"users": f"anna:{credentials.hash_password(PASSWORD)}"}
    )
    with service.running():
        yield service


def log_in(page: Page, password: str) -> None:
    page.fill("#name", "anna")
    page.fill("#password", password)
    page.keyboard.press("Enter")


def test_in_and_out_again(closed: Service, browser: Browser) -> None:
    context = browser.new_context(locale="zh-CN")
    context.set_default_timeout(PATIENCE_MILLISECONDS)
    page = context.new_page()
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(closed.url)
    expect(page).to_have_title("登录 · 中文语音识别")
    page.click("text=English")
    expect(page.locator("button")).to_have_text("Log in")
    log_in(page, "wrong")
    expect(page.locator("[role=alert]")).to_have_text("The name or password is wrong.")
    # The name is still there, and the cursor where the mistake was.
    expect(page.locator("#name")).to_have_value("anna")
    expect(page.locator("#password")).to_be_focused()
    log_in(page, PASSWORD)
    page.wait_for_selector("#sc-tab-single[data-seacod=ready]")
    assert page.evaluate("document.cookie") == ""
    page.set_input_files("#sc-file", sounds.SPEECH)
    page.click("#sc-recognise")
    expect(page.locator("#sc-text")).to_contain_text(sounds.SPEECH_TEXT[:4])
    # The session ends elsewhere: a banner says so, and nothing here is lost.
    other = context.new_page()
    other.goto(closed.url)
    other.wait_for_selector("#sc-tab-single[data-seacod=ready]")
    other.click("#sc-logout")
    expect(other.locator("#password")).to_be_visible()
    page.bring_to_front()
    # Once more, which is folded up where there is a text.
    page.wait_for_selector("#sc-details .sc-facts")
    page.click("#sc-options > summary")
    page.click("#sc-recognise")
    banner = page.locator("#sc-connection")
    expect(banner).to_contain_text("登录已失效")
    expect(page.locator("#sc-chosen")).to_be_visible()
    with context.expect_page() as opened:
        banner.locator("a").click()
    log_in(opened.value, PASSWORD)
    opened.value.wait_for_selector("#sc-tab-single[data-seacod=ready]")
    page.bring_to_front()
    page.click("#sc-recognise")
    expect(page.locator("#sc-text")).to_contain_text(sounds.SPEECH_TEXT[:4])
    assert not complaints
    context.close()


@pytest.mark.parametrize("goes", [True, False])
def test_who_logs_out_is_asked_what_happens_to_the_recordings_of_this_browser(
    closed: Service, browser: Browser, goes: bool
) -> None:
    context = browser.new_context(locale="zh-CN")
    context.set_default_timeout(PATIENCE_MILLISECONDS)
    page = context.new_page()
    page.goto(closed.url)
    log_in(page, PASSWORD)
    page.wait_for_selector("#sc-tab-single[data-seacod=ready]")
    page.set_input_files("#sc-file", sounds.SPEECH)
    page.click("#sc-recognise")
    page.wait_for_selector("#sc-details .sc-facts")
    kept = page.evaluate(KEPT)
    assert len(kept) == 1
    page.on("dialog", lambda dialog: dialog.accept() if goes else dialog.dismiss())
    with page.expect_event("dialog"):
        page.click("#sc-logout")
    expect(page.locator("#password")).to_be_visible()
    log_in(page, PASSWORD)
    page.wait_for_selector("#sc-tab-single[data-seacod=ready]")
    assert page.evaluate(KEPT) == ([] if goes else kept)
    context.close()
