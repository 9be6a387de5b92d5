"""The batch and system tabs as people use them."""

from __future__ import annotations

import os
import re
import signal
import zipfile
from pathlib import Path

import sounds
from supervised import Service

BATCH = "role=tab >> text=/批量处理|Batch/"
SYSTEM = "role=tab >> text=/系统信息|System/"


def submit(page, tmp_path: Path, *names: str) -> None:
    files = []
    for name in names:
        path = tmp_path / name
        path.write_bytes(b"no sound" if "broken" in name else sounds.SPEECH.read_bytes())
        files.append(path)
    page.click(BATCH)
    page.set_input_files("#sc-batch input[type=file]", files)
    page.click("#sc-batch button[type=submit]")


def test_a_batch_is_sent_shown_and_fetched(visit, tmp_path: Path) -> None:
    seen = visit()
    page = seen.page
    trick = "<img src=x onerror=document.title='owned'>.wav"
    submit(page, tmp_path, "会议.flac", "broken.wav", trick)
    page.wait_for_function(
        "document.querySelector('#sc-job-summary')?.innerText.includes('已完成')"
    )
    rows = page.locator("#sc-job tbody tr").all_inner_texts()
    assert len(rows) == 3
    assert "会议.flac" in rows[0]
    assert "完成" in rows[0]
    assert "失败" in rows[1]
    assert "无法解码" in rows[1]
    assert "<img" in rows[2]
    assert page.title() != "owned"
    with page.expect_download() as download:
        page.click("#sc-job-results")
    with zipfile.ZipFile(download.value.path()) as archive:
        assert archive.read("0001-会议.txt").decode().strip() == sounds.SPEECH_TEXT
    assert page.locator("#sc-job-cancel").is_hidden()
    assert seen.complaints == []
    assert seen.outside == []


def test_the_address_comes_back_to_the_batch(visit, tmp_path: Path) -> None:
    seen = visit()
    submit(seen.page, tmp_path, "a.flac")
    seen.page.wait_for_url(re.compile(r"\?job=[0-9a-f]{32}"))
    address = seen.page.url
    again = visit(locale="en-US")
    again.page.goto(address)
    again.page.click(BATCH)
    again.page.wait_for_function(
        "document.querySelector('#sc-job-summary')?.innerText.includes('Done')"
    )
    again.page.goto(re.sub(r"job=.*", "job=nothing", address))
    again.page.click(BATCH)
    again.page.wait_for_function(
        "document.querySelector('#sc-batch-message')?.innerText.includes('no job')"
    )


def test_an_open_page_reconnects_when_the_worker_is_killed(
    visit, live: Service, tmp_path: Path
) -> None:
    seen = visit()
    page = seen.page
    submit(page, tmp_path, *(f"{n}.flac" for n in range(40)))
    page.wait_for_function("document.querySelectorAll('#sc-job tbody tr').length === 40")
    worker = live.worker_pid()
    os.kill(worker, signal.SIGKILL)
    page.wait_for_function(
        "document.querySelector('#sc-job-summary')?.innerText.includes('已完成')", timeout=60_000
    )
    assert all("完成" in row for row in page.locator("#sc-job tbody tr").all_inner_texts())


def test_the_system_tab_is_live(visit) -> None:
    seen = visit()
    page = seen.page
    page.click(SYSTEM)
    page.wait_for_selector("#sc-system dd")
    shown = page.inner_text("#sc-system")
    for word in ("builtin", "实测速度", "torch", "GiB"):
        assert word in shown
    page.click("#sc-system-refresh")
    assert seen.complaints == []
