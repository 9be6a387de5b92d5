"""The system tab: the worker's figures, and what only the supervisor knows."""

from __future__ import annotations

import os
import re
import signal

from supervised import Service, wait_until


def test_it_is_live(visit) -> None:
    seen = visit()
    page = seen.page
    seen.open_tab("system")
    page.wait_for_selector("#sc-system dd")
    shown = page.inner_text("#sc-system")
    for word in (
        "builtin",
        "个线程",
        "实测速度",
        "torch",
        "GiB",
        "显存",
        "服务运行时间",
        "剩余磁盘",
    ):
        assert word in shown
    before = page.inner_text("#sc-system")
    page.wait_for_function(
        "old => document.querySelector('#sc-system').innerText !== old", arg=before
    )
    with page.expect_response("**/system"):
        page.click("#sc-system-refresh")
    page.click("#sc-language")
    assert re.search(r" CPU, \d+ threads?", page.inner_text("#sc-system"))
    assert seen.complaints == []


def test_what_is_selected_stays_selected(visit) -> None:
    seen = visit()
    page = seen.page
    seen.open_tab("system")
    page.wait_for_selector("#sc-system [data-fact=system_versions] dd")
    page.evaluate(
        """() => { const versions = document.querySelector('[data-fact=system_versions] dd');
          getSelection().selectAllChildren(versions); }"""
    )
    chosen = page.evaluate("getSelection().toString()")
    before = page.inner_text("#sc-system")
    page.wait_for_function(
        "old => document.querySelector('#sc-system').innerText !== old", arg=before
    )
    assert "torch" in chosen
    assert page.evaluate("getSelection().toString()") == chosen


def test_plots_have_axes(visit) -> None:
    seen = visit()
    page = seen.page
    seen.open_tab("system")
    page.wait_for_selector("#sc-plots figure:visible svg path[d*=L]", state="attached")
    processor = page.locator("#sc-plots figure", has_text="处理器")
    said = processor.locator("svg text").all_text_contents()
    assert said[:2] == ["100 %", "0"]
    assert all(re.fullmatch(r"\d\d:\d\d", one) for one in said[2:]), said


def test_restarts_alerts_and_the_last_hour_are_there(visit, live: Service) -> None:
    worker = live.worker_pid()
    os.kill(worker, signal.SIGKILL)
    wait_until(lambda: live.status_of("serving", other_than=worker), "another worker")
    seen = visit()
    page = seen.page
    seen.open_tab("system")
    page.wait_for_function("document.querySelector('#sc-restarts').innerText.includes('SIGKILL')")
    page.wait_for_function("document.querySelector('#sc-alerts li').innerText.includes('·')")
    assert "1970" not in page.inner_text("#sc-alerts")
    # The supervisor takes a figure every 15 s; two of them make a line.
    page.wait_for_selector("#sc-plots svg path[d*=L]", state="attached")
    names = page.locator("#sc-plots figcaption").all_inner_texts()
    assert any("处理器" in name for name in names)
    assert any("识别进程内存" in name for name in names)
    page.click("#sc-language")
    assert "Worker memory" in page.inner_text("#sc-plots")
    assert seen.complaints == []
