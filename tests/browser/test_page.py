"""The page and its single tab as people use them, in a real browser, on the real service with the
built-in model."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import numpy as np
import pytest
import sounds
from supervised import MAX_AUDIO_SECONDS, MAX_UPLOAD_BYTES, Service

from seacod.asr import audio

WITH_HOTWORDS = next(e for e in sounds.EXAMPLES if e["hotwords"])
CHINESE = re.compile(r"[一-鿿]")
IMAGE_TRICK = "<img/src=x/onerror=document.title='owned'>"


def long_recording(path: Path, sentences: int = 6) -> Path:
    """The same sentence again and again, with pauses."""
    speech = audio.decode(sounds.SPEECH, max_seconds=60)
    pause = np.zeros(16_000, dtype=np.float32)
    samples = np.concatenate([part for _ in range(sentences) for part in (speech, pause)])
    path.write_bytes(sounds.wav((samples * 32767).astype("<i2").tobytes()))
    return path


def test_a_recording_becomes_the_same_text_as_with_curl(visit, live: Service) -> None:
    seen = visit()
    seen.choose(sounds.SPEECH)
    assert "0:03" in seen.page.inner_text("#sc-chosen-facts")
    assert seen.sent == []
    seen.recognise()
    assert seen.wait_for_text() == sounds.SPEECH_TEXT
    curl = subprocess.run(
        ["curl", "-sS", "-F", f"file=@{sounds.SPEECH}", f"{live.url}/transcribe"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert json.loads(curl.stdout)["text"] == seen.text
    facts = seen.page.locator("#sc-details .sc-facts").inner_text()
    for fact in ("置信度", "音频时长", "处理耗时", "实时率", "排队时间", "builtin"):
        assert fact in facts
    assert seen.complaints == []
    assert seen.outside == []


def test_the_text_can_be_taken_away(visit) -> None:
    seen = visit(permissions=["clipboard-read", "clipboard-write"])
    page = seen.page
    seen.hear(sounds.SPEECH)
    page.click("#sc-take [data-do=copy]")
    page.wait_for_function("document.querySelector('#sc-take [data-done]').innerText !== ''")
    assert page.evaluate("navigator.clipboard.readText()") == sounds.SPEECH_TEXT
    taken = {}
    for name in ("text", "srt", "vtt", "json", "csv", "tsv"):
        file, content = seen.take(name)
        taken[file] = content.decode("utf-8")
    stem = sounds.SPEECH.stem
    assert taken[f"{stem}.txt"].strip() == sounds.SPEECH_TEXT
    assert taken[f"{stem}.srt"].startswith("1\n00:00:00,")
    assert taken[f"{stem}.vtt"].startswith("WEBVTT\n")
    assert json.loads(taken[f"{stem}.json"])["text"] == sounds.SPEECH_TEXT
    assert sounds.SPEECH_TEXT in taken[f"{stem}.csv"]
    assert sounds.SPEECH_TEXT in taken[f"{stem}.tsv"]
    assert seen.complaints == []


def test_progress_moves_and_the_text_grows(visit, tmp_path: Path) -> None:
    seen = visit()
    page = seen.page
    page.evaluate(
        """() => { window.seen = [];
          new MutationObserver(() => window.seen.push([
              document.querySelector('#sc-state span').textContent,
              document.querySelectorAll('#sc-text p').length])
          ).observe(document.querySelector('#sc-tab-single'),
                    {subtree: true, childList: true, characterData: true}); }"""
    )
    assert seen.hear(long_recording(tmp_path / "long.wav", sentences=14)) == 14 * sounds.SPEECH_TEXT
    steps = page.evaluate("window.seen")
    said = [line for line, _ in steps]
    done = [int(m[1]) for line in said if (m := re.search(r"已完成 (\d+) /", line))]
    assert any("正在上传" in line for line in said)
    assert done == sorted(done)
    # Once before the end at least; on a busy machine several pieces come at once.
    assert len(set(done)) >= 2, said
    counts = [count for line, count in steps if "正在识别" in line]
    assert any(0 < count < 14 for count in counts), counts
    assert said[-1] == "识别完成。"


def test_hotwords_change_the_text_and_lists_are_kept(visit) -> None:
    seen = visit()
    page = seen.page
    seen.choose(sounds.EXAMPLES_DIRECTORY / WITH_HOTWORDS["file"])
    page.fill("#sc-hotwords", WITH_HOTWORDS["hotwords"])
    seen.recognise()
    assert seen.wait_for_text() == WITH_HOTWORDS["text_with_hotwords"]
    assert "已识别到" in page.locator(".sc-hotwords").inner_text()
    seen.open_options()
    words = page.locator("#sc-tab-single .sc-words")
    words.locator("[data-do=save]").click()
    words.locator(".sc-naming input").fill("同事")
    page.keyboard.press("Enter")
    page.fill("#sc-hotwords", "别的")

    page.reload()
    page.wait_for_selector("#sc-text p")
    assert page.input_value("#sc-hotwords") == "别的"
    seen.open_options()
    words.locator("select").select_option("同事")
    assert page.input_value("#sc-hotwords") == WITH_HOTWORDS["hotwords"]
    # The other tabs have it, too.
    seen.open_tab("batch")
    assert "同事" in page.locator("#sc-tab-batch select[data-label=words_lists]").inner_text()
    seen.open_tab("single")
    words.locator("[data-do=delete]").click()
    assert words.locator("select").is_hidden()
    assert page.input_value("#sc-hotwords") == WITH_HOTWORDS["hotwords"]


def test_an_example_is_one_click(visit) -> None:
    seen = visit()
    seen.page.click(".sc-examples button >> nth=0")
    seen.page.wait_for_function("!document.querySelector('#sc-play').disabled")
    seen.recognise()
    assert seen.wait_for_text() == sounds.SPEECH_TEXT


def test_a_recording_is_made_with_the_microphone(visit) -> None:
    """Chromium plays a file as its microphone; it begins anywhere, so only parts are sure."""
    seen = visit()
    page = seen.page
    page.click("#sc-record")
    page.wait_for_function(
        "/0:0[7-9]|0:[1-5]/.test(document.querySelector('#sc-record').innerText)"
    )
    page.click("#sc-record")
    page.wait_for_function("!document.querySelector('#sc-play').disabled")
    assert re.search(r"0:0[5-9]|0:[1-5]", page.inner_text("#sc-chosen-facts"))
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
    for tab, name in (("single", "单文件识别"), ("batch", "批量处理"), ("live", "实时录音"),
                      ("system", "系统信息")):  # fmt: skip
        seen.open_tab(tab)
        shown = seen.page.inner_text("body")
        assert (name in shown) == (locale == "zh-CN")
        if locale != "zh-CN":
            assert not CHINESE.search(shown.replace("中文", "").replace("欣悦 宏宇", "")) or (
                tab == "single"  # the captions of the examples
            )
    seen.open_tab("single")
    shown = seen.page.inner_text("body")
    assert word in shown
    assert absent not in shown
    assert ("仅供试用" in shown) == (locale == "zh-CN")
    assert ("not for real" in shown.lower()) == (locale != "zh-CN")
    assert seen.page.get_attribute("html", "lang") == locale
    assert seen.complaints == []


def test_language_and_colours_are_switched_without_losing_anything(visit) -> None:
    seen = visit()
    page = seen.page
    seen.hear(sounds.SPEECH)
    page.click("#sc-language")
    shown = page.inner_text("body")
    for word in ("Choose a recording", "Confidence", "Single file", "Live recording", "Done."):
        assert word in shown
    assert "开始识别" not in shown
    assert seen.text == sounds.SPEECH_TEXT
    page.click("#sc-colours")
    assert page.evaluate("document.body.classList.contains('dark')")
    page.reload()
    page.wait_for_selector("#sc-tab-single[data-seacod=ready]")
    assert "Live recording" in page.inner_text("#sc-tabs")
    page.wait_for_function("document.body.classList.contains('dark')")
    page.click("#sc-language")
    assert "实时录音" in page.inner_text("#sc-tabs")


@pytest.mark.parametrize("locale", ["zh-CN", "en-US"])
def test_mistakes_get_one_sentence_and_the_page_goes_on(visit, tmp_path: Path, locale: str) -> None:
    seen = visit(locale=locale)
    page = seen.page
    is_chinese = locale == "zh-CN"

    seen.recognise()
    assert bool(CHINESE.search(seen.wait_for_problem())) == is_chinese

    odd = tmp_path / "odd.wav"
    odd.write_bytes(b"I am not a sound. " * 100)
    page.set_input_files("#sc-file", odd)
    page.wait_for_selector("#sc-problem", state="hidden")
    page.wait_for_function("document.querySelector('#sc-chosen-name').innerText === 'odd.wav'")
    seen.recognise()
    sentence = seen.wait_for_problem()
    assert ("无法解码" if is_chinese else "not audio") in sentence
    assert page.locator("#sc-problem button:visible").count() == 0

    # Before anything is sent.
    seen.sent.clear()
    long = tmp_path / "long.wav"
    long.write_bytes(sounds.silence(MAX_AUDIO_SECONDS + 30))
    page.set_input_files("#sc-file", long)
    sentence = seen.wait_for_problem()
    assert ("时长为 1:30" if is_chinese else "lasts 1:30") in sentence
    assert str(MAX_AUDIO_SECONDS) in sentence

    big = tmp_path / "big.wav"
    big.write_bytes(sounds.silence(20, rate=96_000) + bytes(MAX_UPLOAD_BYTES))
    page.set_input_files("#sc-file", big)
    page.wait_for_function(
        "document.querySelector('#sc-problem').innerText.includes('3 MiB') && "
        "!document.querySelector('#sc-problem').hidden"
    )
    seen.recognise()
    assert seen.sent == []

    assert seen.hear(sounds.SPEECH) == sounds.SPEECH_TEXT
    # That one alone.
    assert len([one for one in seen.sent if "/transcribe" in one]) == 1
    assert "Traceback" not in page.content()


def test_what_people_type_is_shown_and_not_run(visit, tmp_path: Path) -> None:
    seen = visit()
    recording = tmp_path / "<img src=x onerror=document.title='owned'>.flac"
    recording.write_bytes(sounds.SPEECH.read_bytes())
    seen.choose(recording)
    seen.page.fill("#sc-hotwords", IMAGE_TRICK)
    words = seen.page.locator("#sc-tab-single .sc-words")
    words.locator("[data-do=save]").click()
    words.locator(".sc-naming input").fill(IMAGE_TRICK[:40])
    seen.page.keyboard.press("Enter")
    seen.recognise()
    assert seen.wait_for_text() == sounds.SPEECH_TEXT
    assert "<img" in seen.page.locator(".sc-hotwords").inner_text()
    assert "<img" in seen.page.inner_text("#sc-chosen-name")
    assert seen.page.title() != "owned"
    assert seen.page.locator("#sc-tab-single img").count() == 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_on_a_phone(visit, scheme: str) -> None:
    seen = visit(width=390, scheme=scheme)
    assert seen.page.evaluate("document.body.classList.contains('dark')") == (scheme == "dark")
    seen.hear(sounds.SPEECH)
    assert seen.page.evaluate("document.documentElement.scrollWidth") <= 390
    assert seen.outside == []


def test_controls_have_names_for_screen_readers(visit) -> None:
    seen = visit()
    for tab in ("single", "batch", "live", "system"):
        seen.open_tab(tab)
        nameless = seen.page.evaluate(
            """() => [...document.querySelectorAll('button, textarea, input, select, meter, a')]
                .filter(e => e.offsetParent !== null)
                .filter(e => !(e.innerText || e.ariaLabel || e.title || e.placeholder
                               || e.labels?.length || e.closest('label')))
                .map(e => e.outerHTML.slice(0, 200))"""
        )
        assert nameless == []
    seen.open_tab("single")
    seen.choose(sounds.SPEECH)
    seen.page.focus("#sc-recognise")
    seen.page.keyboard.press("Enter")
    assert seen.wait_for_text() == sounds.SPEECH_TEXT


def test_help_and_version_are_in_the_footer(visit, live: Service) -> None:
    seen = visit()
    footer = seen.page.locator(".sc-footer")
    assert re.search(r"seacod \d+\.\d+", footer.inner_text())
    for link in footer.locator("a").evaluate_all("all => all.map(a => a.href)"):
        status, _, body = live.get(link.removeprefix(live.url))
        assert status == 200
        assert body
