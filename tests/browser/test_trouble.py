"""The page in trouble: a full queue, a worker that goes away under it, a service that asks who you
are. The model stands still while a test looks (tests/faults/faulty_worker.py)."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import sounds
from supervised import Faulty, Service, wait_until

from seacod.system.credentials import hash_password
from seacod.web.page.texts import text

PASSWORD = "long enough for a test"


@pytest.fixture(scope="module")
def narrow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Faulty]:
    """One recording at a time; one more may wait."""
    service = Faulty(tmp_path_factory.mktemp("narrow"))
    service.configure(server={"page": "on"}, limits={"queue_length": 1, "concurrent_requests": 1})
    with service.running():
        yield service


def send(service: Service, count: int) -> list[threading.Thread]:
    """Recordings from elsewhere."""
    command = ["curl", "-sS", "-F", f"file=@{sounds.SPEECH}", f"{service.url}/transcribe"]
    threads = [
        threading.Thread(target=lambda: subprocess.run(command, capture_output=True, check=False))
        for _ in range(count)
    ]
    for thread in threads:
        thread.start()
    return threads


def test_the_place_in_the_queue_is_shown(visit, narrow: Faulty) -> None:
    seen = visit(url=narrow.url)
    seen.choose(sounds.SPEECH)
    with narrow.holding():
        others = send(narrow, 1)
        wait_until(lambda: (narrow.status() or {})["in_flight"], "another's recording")
        seen.recognise()
        seen.page.wait_for_function(
            "said => document.querySelector('#sc-state').innerText.includes(said)",
            arg=text("zh", "state_queued", position=1),
        )
    assert seen.wait_for_text() == sounds.SPEECH_TEXT
    for thread in others:
        thread.join()


def test_a_full_queue_says_so_and_can_be_tried_again(visit, narrow: Faulty) -> None:
    seen = visit(url=narrow.url)
    page = seen.page
    seen.choose(sounds.SPEECH)
    with narrow.holding():
        others = send(narrow, 2)
        wait_until(lambda: (narrow.status() or {})["queue_depth"] >= 1, "a queue")
        seen.recognise()
        sentence = seen.wait_for_problem()
        assert "排队" in sentence
        # Once, and counted down.
        assert len(re.findall(r"\d+ 秒后重试", sentence)) == 1
        assert page.locator("#sc-state").is_hidden()
        page.wait_for_function(
            "old => !document.querySelector('#sc-problem').innerText.includes(old)",
            arg=re.findall(r"\d+ 秒后重试", sentence)[0],
        )
        page.wait_for_selector("#sc-problem [data-do=stay]:visible")
        page.click("#sc-problem [data-do=stay]")
        assert "秒后重试" not in page.inner_text("#sc-problem")
    for thread in others:
        thread.join()
    page.click("#sc-problem [data-do=again]")
    assert seen.wait_for_text() == sounds.SPEECH_TEXT
    # 503 is in the console as every answer of that kind; nothing else is.
    assert all("503" in line for line in seen.complaints)


def test_a_full_queue_is_tried_again_by_itself(visit, narrow: Faulty) -> None:
    seen = visit(url=narrow.url)
    seen.choose(sounds.SPEECH)
    with narrow.holding():
        others = send(narrow, 2)
        wait_until(lambda: (narrow.status() or {})["queue_depth"] >= 1, "a queue")
        seen.recognise()
        seen.wait_for_problem()
    # Nobody touches anything.
    assert seen.wait_for_text() == sounds.SPEECH_TEXT
    assert seen.page.locator("#sc-problem").is_hidden()
    for thread in others:
        thread.join()


def test_a_worker_killed_under_a_recording_costs_nobody_anything(visit, narrow: Faulty) -> None:
    seen = visit(url=narrow.url)
    page = seen.page
    page.fill("#sc-hotwords", "海鸟")
    seen.choose(sounds.SPEECH)
    # Collected as they come: the next worker may answer before anybody has looked.
    page.evaluate(
        """() => { window.said = [];
          for (const id of ['sc-state', 'sc-connection']) {
            const place = document.getElementById(id);
            new MutationObserver(() => window.said.push(place.innerText))
              .observe(place, {subtree: true, childList: true, attributes: true}); } }"""
    )
    with narrow.holding():
        seen.recognise()
        page.wait_for_function("window.said.some(line => line.includes('正在识别'))")
        os.kill(narrow.worker_pid(), signal.SIGKILL)
        page.wait_for_function("window.said.some(line => line.includes('服务正在恢复'))")
        page.wait_for_function("window.said.some(line => line.includes('服务中断'))")
    # Nobody touches anything.
    assert seen.wait_for_text() == sounds.SPEECH_TEXT
    assert page.input_value("#sc-hotwords") == "海鸟"
    assert page.inner_text("#sc-chosen-name") == sounds.SPEECH.name
    page.wait_for_selector("#sc-connection", state="hidden")


def test_a_batch_is_canceled(visit, narrow: Faulty) -> None:
    seen = visit(url=narrow.url)
    page = seen.page
    with narrow.holding():
        seen.open_tab("batch")
        page.set_input_files("#sc-batch-files", sounds.SPEECH)
        page.click("#sc-batch button[type=submit]")
        page.wait_for_selector("#sc-job:not([hidden])")
        # What the page says stays there while it asks how far the job is.
        page.click("#sc-batch button[type=submit]")
        assert "请先选择" in seen.wait_for_problem("sc-batch")
        for _ in range(2):
            with page.expect_response(lambda one: "/jobs/" in one.url) as answer:
                pass
            answer.value.finished()
        page.evaluate("new Promise((done) => requestAnimationFrame(done))")
        assert page.is_visible("#sc-batch-problem")
        page.click("#sc-job-cancel")
        page.wait_for_function(
            "document.querySelector('#sc-job-summary')?.innerText.includes('已取消')"
        )
        assert page.locator("#sc-job-retry").is_hidden()


def test_recognition_can_be_given_up(visit, narrow: Faulty) -> None:
    seen = visit(url=narrow.url)
    seen.choose(sounds.SPEECH)
    with narrow.holding():
        seen.recognise()
        seen.page.wait_for_function(
            "document.querySelector('#sc-state').innerText.includes('正在识别')"
        )
        seen.page.click("#sc-cancel")
        seen.page.wait_for_selector("#sc-state", state="hidden")
        assert seen.page.locator("#sc-problem").is_hidden()
    wait_until(lambda: (narrow.status() or {})["in_flight"] == 0, "a free place")
    seen.recognise()
    assert seen.wait_for_text() == sounds.SPEECH_TEXT


def test_a_login_covers_page_and_api_and_microphone(visit, tmp_path: Path) -> None:
    service = Service(tmp_path)
    service.configure(server={"page": "on"}, access={"users": f"anna:{hash_password(PASSWORD)}"})
    with service.running():
        for path in ("/", "/system", "/openapi.json", "/theme.css"):
            assert service.get(path)[0] == 401
        seen = visit(url=service.url, login=("anna", PASSWORD))
        seen.choose(sounds.SPEECH)
        seen.recognise()
        assert seen.wait_for_text() == sounds.SPEECH_TEXT
        seen.speak()
        seen.open_tab("system")
        seen.page.wait_for_selector("#sc-system dd")
        assert seen.complaints == []
