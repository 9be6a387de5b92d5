"""The page as people use it, in a real browser, on the real service with the built-in model."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import httpx
import pytest
import sounds
from supervised import MAX_AUDIO_SECONDS, PATIENCE_SECONDS, Service

WITH_HOTWORDS = next(e for e in sounds.EXAMPLES if e["hotwords"])
CHINESE = re.compile(r"[一-鿿]")


def test_a_recording_becomes_the_same_text_as_with_curl(visit, live: Service) -> None:
    seen = visit()
    seen.upload(sounds.SPEECH)
    seen.recognise()
    assert seen.wait_for_text() == sounds.SPEECH_TEXT
    curl = subprocess.run(
        ["curl", "-sS", "-F", f"file=@{sounds.SPEECH}", f"{live.url}/transcribe"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert json.loads(curl.stdout)["text"] == seen.text
    facts = seen.page.locator(".sc-facts").inner_text()
    for fact in ("置信度", "音频时长", "处理耗时", "实时率", "builtin"):
        assert fact in facts
    assert sounds.SPEECH_TEXT in seen.page.locator(".sc-segments").inner_text()
    assert seen.complaints == []
    assert seen.outside == []


def test_hotwords_change_the_text(visit) -> None:
    seen = visit()
    seen.upload(sounds.EXAMPLES_DIRECTORY / WITH_HOTWORDS["file"])
    seen.page.fill("#sc-hotwords textarea, #sc-hotwords input", WITH_HOTWORDS["hotwords"])
    seen.recognise()
    assert seen.wait_for_text() == WITH_HOTWORDS["text_with_hotwords"]
    assert "已识别到" in seen.page.locator(".sc-hotwords").inner_text()


def test_an_example_is_one_click(visit) -> None:
    seen = visit()
    seen.page.click(".sc-examples button >> nth=0")
    seen.page.wait_for_selector("#sc-recording .play-pause-button")
    seen.recognise()
    assert seen.wait_for_text() == sounds.SPEECH_TEXT


def test_the_microphone_is_heard(visit) -> None:
    """Chromium plays a file as its microphone; it begins anywhere, so only parts are sure."""
    seen = visit()
    page = seen.page
    page.click("#sc-recording button[aria-label='Record audio'], "
               "#sc-recording button[aria-label*='icrophone'], "
               "#sc-recording .source-selection button >> nth=-1")  # fmt: skip
    page.click("#sc-recording button.record-button")
    page.wait_for_timeout(7_000)
    with seen.uploading():
        page.click("#sc-recording button.stop-button")
    seen.recognise()
    text = seen.wait_for_text()
    assert len(set(text) & set(sounds.SPEECH_TEXT)) >= 3, text
    assert seen.complaints == []


@pytest.mark.parametrize(
    ("locale", "word", "absent"),
    [
        ("zh-CN", "开始识别", "Recognise"),
        ("en-US", "Recognise", "开始识别"),
        ("de-DE", "Recognise", "开始识别"),
    ],
)
def test_the_page_speaks_the_browsers_language(visit, locale: str, word: str, absent: str) -> None:
    seen = visit(locale=locale)
    shown = seen.page.inner_text("body")
    assert word in shown
    assert absent not in shown
    assert ("仅供试用" in shown) == (locale == "zh-CN")
    assert ("not for real" in shown.lower()) == (locale != "zh-CN")
    assert seen.page.get_attribute("html", "lang") == locale


@pytest.mark.parametrize("locale", ["zh-CN", "en-US"])
def test_mistakes_get_one_sentence_and_the_page_goes_on(visit, tmp_path: Path, locale: str) -> None:
    seen = visit(locale=locale)
    is_chinese = locale == "zh-CN"

    seen.recognise()
    sentence = seen.wait_for_problem()
    assert bool(CHINESE.search(sentence)) == is_chinese

    odd = tmp_path / "odd.wav"
    odd.write_bytes(b"I am not a sound. " * 100)
    seen.page.locator("#sc-recording input[type=file]").set_input_files(odd)
    seen.page.wait_for_selector("#sc-recording input[type=file]", state="detached")
    seen.recognise()
    seen.page.wait_for_function(
        "old => document.querySelector('.sc-problem')?.innerText !== old"
        " && document.querySelector('.sc-problem')",
        arg=sentence,
    )
    sentence = seen.wait_for_problem()
    assert ("无法解码" if is_chinese else "not audio") in sentence
    assert "Traceback" not in seen.page.content()

    seen = visit(locale=locale)
    long = tmp_path / "long.wav"
    long.write_bytes(sounds.silence(MAX_AUDIO_SECONDS + 30))
    seen.upload(long)
    seen.recognise()
    sentence = seen.wait_for_problem()
    assert str(MAX_AUDIO_SECONDS) in sentence
    assert ("上限" if is_chinese else "limit") in sentence

    seen = visit(locale=locale)
    seen.upload(sounds.SPEECH)
    seen.recognise()
    assert seen.wait_for_text() == sounds.SPEECH_TEXT


def test_what_people_type_is_shown_and_not_run(visit) -> None:
    seen = visit()
    seen.upload(sounds.SPEECH)
    trick = "<img/src=x/onerror=document.title='owned'>"
    seen.page.fill("#sc-hotwords textarea, #sc-hotwords input", trick)
    seen.recognise()
    assert seen.wait_for_text() == sounds.SPEECH_TEXT
    assert "<img" in seen.page.locator(".sc-hotwords").inner_text()
    assert seen.page.title() != "owned"
    assert seen.page.locator(".sc-hotwords img").count() == 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_on_a_phone(visit, scheme: str) -> None:
    seen = visit(width=390, scheme=scheme)
    seen.upload(sounds.SPEECH)
    seen.recognise()
    seen.wait_for_text()
    assert seen.page.evaluate("document.documentElement.scrollWidth") <= 390
    assert seen.outside == []


def test_controls_have_names_for_screen_readers(visit) -> None:
    seen = visit()
    nameless = seen.page.evaluate(
        """() => [...document.querySelectorAll('button, textarea, input')]
            .filter(e => e.offsetParent !== null && e.type !== 'file')
            .filter(e => !(e.innerText || e.ariaLabel || e.title || e.placeholder
                           || e.labels?.length || e.closest('label')))
            .map(e => e.outerHTML.slice(0, 200))"""
    )
    assert nameless == []
    seen.upload(sounds.SPEECH)
    seen.page.focus("#sc-recognise")
    seen.page.keyboard.press("Enter")
    assert seen.wait_for_text() == sounds.SPEECH_TEXT


class TestClosed:
    """Doors a mounted Gradio leaves open, tried by hand as somebody with bad intentions would."""

    @pytest.fixture
    def client(self, live: Service) -> httpx.Client:
        return httpx.Client(base_url=live.url, timeout=PATIENCE_SECONDS, trust_env=False)

    @staticmethod
    def call(client: httpx.Client, path: str) -> str:
        """Everything the service says when it is asked to transcribe a file of its own disk."""
        given = {"path": path, "meta": {"_type": "gradio.FileData"}}
        answer = client.post("/gradio_api/call/single", json={"data": [given, ""]})
        if answer.status_code != 200:
            return answer.text
        with client.stream("GET", f"/gradio_api/call/single/{answer.json()['event_id']}") as events:
            return answer.text + "".join(events.iter_text())

    def test_files_of_the_server_are_not_read(
        self, client: httpx.Client, tmp_path: Path, live: Service
    ) -> None:
        foreign = tmp_path / "speech.flac"
        foreign.write_bytes(sounds.SPEECH.read_bytes())
        link = live.directory / "state" / "uploads" / "page" / "link.flac"
        link.symlink_to(foreign)
        for path in (foreign, "/etc/passwd", live.config, link, f"{link.parent}/../../{link.name}"):
            said = self.call(client, str(path))
            assert sounds.SPEECH_TEXT not in said
            assert json.dumps(sounds.SPEECH_TEXT)[1:-1] not in said
            assert "root:" not in said

    @pytest.mark.parametrize(
        "address",
        ["/gradio_api/file=/etc/passwd", "/gradio_api/file=../../etc/passwd", "/file=/etc/passwd",
         "/gradio_api/file=/proc/self/environ", "/static/../../etc/passwd",
         "/gradio_api/file=http://127.0.0.1:1/"],
    )  # fmt: skip
    def test_nothing_is_served_from_the_disk(self, client: httpx.Client, address: str) -> None:
        answer = client.get(address)
        assert answer.status_code in (400, 403, 404), answer.text[:200]
        assert "root:" not in answer.text

    def test_the_settings_file_is_not_served(self, client: httpx.Client, live: Service) -> None:
        assert client.get(f"/gradio_api/file={live.config}").status_code in (403, 404)

    @pytest.mark.parametrize("address", ["/gradio_api/run/single", "/gradio_api/api/single"])
    def test_there_is_no_way_round_the_queue(self, client: httpx.Client, address: str) -> None:
        answer = client.post(address, json={"data": [None, ""]})
        assert answer.status_code in (401, 403, 404, 405), answer.text[:200]

    def test_nothing_is_loaded_from_elsewhere(self, client: httpx.Client) -> None:
        page = client.get("/").text
        hosts = set(re.findall(r"""(?:src|href)=["']https?://([^/"']+)""", page))
        assert hosts == set()
