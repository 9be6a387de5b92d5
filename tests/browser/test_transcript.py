"""The text of a recording: it follows the sound, a word leads into it, it is corrected in place,
and what is taken away is what stands there."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sounds
from docx import Document

from seacod.asr import audio

SENTENCES = 6
LINES = "#sc-text p[data-id]"
# The middle of a character of a sentence, in the window.
AT = """([line, character]) => {
  const node = document.querySelectorAll('#sc-text p[data-id]')[line].firstChild;
  const range = document.createRange();
  range.setStart(node, character);
  range.setEnd(node, character + 1);
  const box = range.getBoundingClientRect();
  return [box.left + box.width / 2, box.top + box.height / 2];
}"""
FRAME = "new Promise((done) => requestAnimationFrame(() => done(getSelection().toString())))"
PAUSED = "!document.querySelector('#sc-play').classList.contains('sc-playing')"


def recording(path: Path, sentences: int = SENTENCES) -> Path:
    """The same sentence again and again, with pauses."""
    speech = audio.decode(sounds.SPEECH, max_seconds=60)
    pause = np.zeros(16_000, dtype=np.float32)
    samples = np.concatenate([part for _ in range(sentences) for part in (speech, pause)])
    path.write_bytes(sounds.wav((samples * 32767).astype("<i2").tobytes()))
    return path


@pytest.fixture
def read(visit: Callable[..., Any], tmp_path: Path) -> Callable[..., Any]:
    """A page with a text of some sentences."""

    def opened(**options: Any) -> Any:
        seen = visit(**options)
        seen.choose(recording(tmp_path / "meeting.wav"))
        seen.recognise()
        seen.wait_for_text()
        return seen

    return opened


def click_on(seen: Any, line: int, character: int, clicks: int = 1) -> None:
    seen.page.locator(LINES).nth(line).scroll_into_view_if_needed()
    x, y = seen.page.evaluate(AT, [line, character])
    seen.page.mouse.click(x, y, click_count=clicks)


def starts(seen: Any) -> list[float]:
    return [float(line.get_attribute("data-start")) for line in seen.page.locator(LINES).all()]


def position(seen: Any) -> int:
    return int(seen.page.get_attribute("#sc-wave", "aria-valuenow"))


def look_for(page: Any, words: str) -> None:
    """Open the search by its key, and wait until it has counted."""
    page.focus("#sc-text")
    page.keyboard.press("Control+f")
    page.keyboard.type(words)
    page.wait_for_function("document.querySelector('#sc-find [data-count]').innerText !== ''")


def edit(seen: Any, line: int, character: int) -> None:
    """Begin to edit, with the caret in front of a character."""
    page = seen.page
    if page.get_attribute("#sc-take [data-do=edit]", "aria-pressed") == "false":
        page.click("#sc-take [data-do=edit]")
    page.evaluate(
        """([line, character]) => {
          const p = document.querySelectorAll('#sc-text p[data-id]')[line];
          p.focus();
          getSelection().collapse(p.firstChild, character);
        }""",
        [line, character],
    )


def lines(seen: Any) -> list[str]:
    return seen.page.locator(LINES).all_text_contents()


def test_a_click_on_a_word_plays_from_it_and_the_text_follows(read) -> None:
    seen = read()
    page = seen.page
    click_on(seen, 3, 2)
    page.wait_for_function(f"!({PAUSED})")
    assert page.locator(f"{LINES}.sc-now").count() == 1
    assert position(seen) >= int(starts(seen)[3])
    assert page.evaluate("CSS.highlights.get('sc-heard').size") == 1
    # It goes on into the next sentence by itself.
    page.wait_for_function(f"document.querySelectorAll('{LINES}')[4].classList.contains('sc-now')")
    stop(seen)


def stop(seen: Any) -> None:
    """It may have come to its end by itself."""
    seen.page.evaluate(f"({PAUSED}) || document.querySelector('#sc-play').click()")
    seen.page.wait_for_function(PAUSED)


def test_selecting_text_does_not_play(read) -> None:
    seen = read()
    page = seen.page
    page.locator(LINES).nth(1).scroll_into_view_if_needed()
    x, y = page.evaluate(AT, [1, 0])
    to_x, to_y = page.evaluate(AT, [1, 3])
    page.mouse.move(x, y)
    page.mouse.down()
    # The browser looks once a frame where the mouse is.
    for step in range(200):
        page.mouse.move(to_x - step % 3, to_y)
        if len(page.evaluate(FRAME)) >= 2:
            break
    page.mouse.up()
    assert len(page.evaluate("getSelection().toString()")) >= 2
    assert page.evaluate(PAUSED)
    assert position(seen) == 0


def test_keys_play_seek_and_change_the_speed(read) -> None:
    seen = read()
    page = seen.page
    page.focus("#sc-text")
    page.keyboard.press("ArrowRight")
    page.wait_for_function("document.querySelector('#sc-wave').ariaValueNow === '5'")
    page.keyboard.press("ArrowLeft")
    page.wait_for_function("document.querySelector('#sc-wave').ariaValueNow === '0'")
    page.keyboard.press("]")
    assert page.input_value("#sc-player [data-do=speed]") == "1.25"
    page.keyboard.press("[")
    page.keyboard.press("[")
    assert page.input_value("#sc-player [data-do=speed]") == "0.75"
    page.keyboard.press("ArrowDown")
    page.wait_for_selector(f"{LINES}.sc-now")
    page.keyboard.press("Space")
    page.wait_for_function(f"!({PAUSED})")
    stop(seen)
    page.keyboard.press("?")
    assert "播放或暂停" in page.inner_text("#sc-keys")
    page.keyboard.press("Escape")
    page.wait_for_selector("#sc-keys", state="hidden")
    # The wave itself, too.
    page.focus("#sc-wave")
    page.keyboard.press("End")
    page.wait_for_function("Number(document.querySelector('#sc-wave').ariaValueNow) > 20")
    page.keyboard.press("Home")
    page.wait_for_function("document.querySelector('#sc-wave').ariaValueNow === '0'")


def test_reading_elsewhere_stops_the_scrolling(visit, tmp_path: Path) -> None:
    seen = visit()
    page = seen.page
    page.set_viewport_size({"width": 700, "height": 500})
    seen.hear(recording(tmp_path / "long.wav", 12))
    click_on(seen, 0, 0)
    page.wait_for_function(f"!({PAUSED})")
    assert page.locator("#sc-follow").is_hidden()
    page.mouse.move(300, 200)
    page.mouse.wheel(0, 200)
    page.wait_for_selector("#sc-follow:not([hidden])")
    page.click("#sc-follow")
    page.wait_for_selector("#sc-follow", state="hidden")
    stop(seen)


def test_a_word_is_corrected_and_everything_that_is_exported_has_it(read) -> None:
    seen = read(permissions=["clipboard-read", "clipboard-write"])
    page = seen.page
    said = lines(seen)[1]
    original = json.loads(seen.take("json")[1])["segments"]
    edit(seen, 1, 0)
    page.keyboard.press("Delete")
    page.keyboard.type("海")
    corrected = "海" + said[1:]
    assert lines(seen)[1] == corrected
    # The word keeps its time, and the others theirs.
    changed = json.loads(seen.take("json")[1])
    after, before = changed["segments"][1], original[1]
    assert after["text"] == corrected
    assert [(t["start"], t["end"]) for t in after["tokens"]] == [
        (t["start"], t["end"]) for t in before["tokens"]
    ]
    assert after["tokens"][0]["confidence"] is None
    assert changed["segments"][0] == original[0]
    for name in ("text", "srt", "vtt", "csv", "tsv", "ass", "lrc"):
        assert corrected in seen.take(name)[1].decode("utf-8"), name
    document = Document(io.BytesIO(seen.take("docx")[1]))
    assert corrected in "".join(one.text for one in document.paragraphs)
    page.click("#sc-take [data-do=copy]")
    page.wait_for_function("document.querySelector('#sc-take [data-done]').innerText !== ''")
    assert corrected in page.evaluate("navigator.clipboard.readText()")
    assert seen.complaints == []


def test_enter_splits_backspace_joins_and_all_is_undone(read) -> None:
    seen = read()
    page = seen.page
    before = lines(seen)
    edit(seen, 2, 3)
    page.keyboard.press("Enter")
    assert lines(seen)[2:4] == [before[2][:3], before[2][3:]]
    middle = starts(seen)
    assert middle[2] < middle[3] < middle[4]
    # The caret is at the beginning of the second one.
    page.keyboard.press("Backspace")
    assert lines(seen) == before
    page.keyboard.type("他")
    assert lines(seen)[2] == f"{before[2][:3]}他{before[2][3:]}"
    for _ in range(3):
        page.keyboard.press("Control+z")
    assert lines(seen) == before
    assert page.is_disabled("#sc-take [data-do=undo]")
    for _ in range(3):
        page.keyboard.press("Control+y")
    assert lines(seen)[2] == f"{before[2][:3]}他{before[2][3:]}"
    # Into the next sentence with the arrows; out with Escape.
    page.keyboard.press("End")
    page.keyboard.press("ArrowRight")
    page.keyboard.type("我")
    assert lines(seen)[3] == f"我{before[3]}"
    page.keyboard.press("Escape")
    assert page.locator("#sc-text [contenteditable]").count() == 0
    assert seen.complaints == []


def test_lines_that_are_pasted_stay_one_sentence(read) -> None:
    seen = read(permissions=["clipboard-read", "clipboard-write"])
    page = seen.page
    before = lines(seen)
    page.evaluate("navigator.clipboard.writeText('<b>一</b>\\n二')")
    edit(seen, 0, 1)
    page.keyboard.press("Control+v")
    # The caret stands behind it.
    page.keyboard.type("三")
    assert lines(seen) == [f"{before[0][:1]}<b>一</b> 二三{before[0][1:]}", *before[1:]]
    assert page.locator("#sc-text b").count() == 0
    page.evaluate("navigator.clipboard.writeText('四 ')")
    page.keyboard.press("Control+v")
    page.keyboard.type("五")
    assert lines(seen)[0] == f"{before[0][:1]}<b>一</b> 二三四 五{before[0][1:]}"


def test_search_finds_and_replaces_everywhere(read) -> None:
    seen = read()
    page = seen.page
    before = lines(seen)
    wanted = before[0][:2]
    look_for(page, wanted)
    page.wait_for_function(
        f"document.querySelector('#sc-find [data-count]').innerText.includes('共 {SENTENCES} 处')"
    )
    assert page.evaluate("CSS.highlights.get('sc-found').size") == SENTENCES
    page.keyboard.press("Enter")
    assert "第 2 处" in page.inner_text("#sc-find [data-count]")
    page.fill("#sc-find [data-do=other]", "春天")
    page.click("#sc-find [data-do=replace]")
    assert lines(seen)[1] == f"春天{before[1][2:]}"
    assert lines(seen)[0] == before[0]
    page.click("#sc-find [data-do=all]")
    assert lines(seen) == [f"春天{one[2:]}" for one in before]
    page.keyboard.press("Escape")
    page.focus("#sc-text")
    page.keyboard.press("Control+z")
    page.keyboard.press("Control+z")
    assert lines(seen) == before


def test_how_a_text_is_shown_is_remembered(read) -> None:
    seen = read()
    page = seen.page
    assert page.locator("#sc-text .sc-block").count() < SENTENCES
    page.click("#sc-take .sc-view summary")
    page.uncheck("#sc-times")
    page.uncheck("#sc-paragraphs")
    page.check("#sc-take input[value=large]", force=True)
    page.uncheck("#sc-shade")
    page.reload()
    page.wait_for_selector("#sc-text p")
    box = page.get_attribute("#sc-text", "class")
    assert "sc-size-large" in box
    for absent in ("sc-times", "sc-paragraphs", "sc-shaded"):
        assert absent not in box


def test_a_sentence_that_was_emptied_is_in_nothing_that_is_exported(read) -> None:
    seen = read()
    page = seen.page
    before = lines(seen)
    edit(seen, 1, 0)
    page.keyboard.press("Shift+End")
    page.keyboard.press("Delete")
    assert lines(seen) == [before[0], "", *before[2:]]
    page.keyboard.press("Escape")
    body = json.loads(seen.take("json")[1])
    assert [one["text"] for one in body["segments"]] == [before[0], *before[2:]]
    for whole in (body["text"], seen.take("text")[1].decode()):
        assert "".join(whole.split()) == "".join([before[0], *before[2:]])


# A key that belongs to an input method: as it is everywhere, and as Safari tells the last one.
INPUT_METHOD = """([at, key]) => {
  for (const one of [{isComposing: true}, {keyCode: 229}]) {
    const given = {key, bubbles: true, cancelable: true, ...one};
    document.querySelector(at).dispatchEvent(new KeyboardEvent('keydown', given));
  }
}"""


def test_keys_of_an_input_method_are_not_ours(read) -> None:
    seen = read()
    page = seen.page
    before = lines(seen)
    look_for(page, before[0][:2])
    page.fill("#sc-find [data-do=other]", "春天")
    page.evaluate(INPUT_METHOD, ["#sc-find [data-do=other]", "Enter"])
    page.evaluate(INPUT_METHOD, ["#sc-find [data-do=other]", "Escape"])
    assert page.is_visible("#sc-find")
    assert lines(seen) == before
    # Without one they are.
    page.press("#sc-find [data-do=other]", "Enter")
    assert lines(seen) == [f"春天{before[0][2:]}", *before[1:]]
    page.press("#sc-find [data-do=other]", "Escape")
    page.click("#sc-options > summary")
    page.fill("#sc-hotwords", "海鸟")
    page.click("#sc-options [data-do=save]")
    page.fill("#sc-options .sc-naming input", "鸟")
    page.evaluate(INPUT_METHOD, ["#sc-options .sc-naming input", "Enter"])
    assert page.is_visible("#sc-options .sc-naming")
    page.press("#sc-options .sc-naming input", "Enter")
    page.wait_for_selector("#sc-options .sc-naming", state="hidden")
    assert seen.complaints == []


def test_nothing_is_replaced_in_a_text_that_another_window_has(read) -> None:
    seen = read()
    page = seen.page
    before = lines(seen)
    look_for(page, before[0][:2])
    page.wait_for_selector("#sc-library li", state="attached")
    other = page.context.new_page()
    other.goto(page.url)
    other.click("#sc-library summary")
    other.click("#sc-library .sc-recording-open")
    other.wait_for_selector(LINES)
    seen.wait_for_problem()
    for does in ("replace", "all"):
        page.click(f"#sc-find [data-do={does}]")
        assert "已替换" not in page.inner_text("#sc-find [data-count]")
    assert lines(seen) == before
    assert seen.complaints == []


SAID = "今天天气很好我们去看海鸟啊"


def answered(seen: Any, sentences: int, confidence: Callable[[int], float]) -> None:
    """Recognise, with an answer made here: so many sentences, and how sure their words are."""
    body: dict[str, Any] = {
        "text": "", "segments": [], "speakers": [], "confidence": 0.9, "language": "zh",
        "duration": 3600.0, "processing_time": 1.0, "queue_time": 0.0, "real_time_factor": 0.1,
        "hotwords": [], "replacements": [], "warnings": [], "warning_details": [], "unheard": [],
        "missing": 0.0, "model": "builtin", "device": "cpu",
    }  # fmt: skip
    for n in range(sentences):
        at = 2.2 * n
        tokens = [
            {"text": character, "start": at + 0.1 * i, "end": at + 0.1 * i + 0.1,
             "confidence": confidence(n * len(SAID) + i)}
            for i, character in enumerate(SAID)
        ]  # fmt: skip
        body["segments"].append({
            "start": at, "end": at + 1.3, "text": SAID, "confidence": 0.9, "speaker": None,
            "tokens": tokens,
        })  # fmt: skip
    answer = f"event: done\ndata: {json.dumps(body)}\n\n"
    seen.page.route(
        "**/transcribe?stream=true",
        lambda route: route.fulfill(body=answer, content_type="text/event-stream"),
    )
    seen.hear(sounds.SPEECH)
    assert seen.page.locator(LINES).count() == sentences


@pytest.mark.parametrize(
    ("confidence", "marked"),
    [
        (lambda n: 0.3 if n % 13 == 4 else 0.95, 10),
        # A model that is less sure of everything: the lowest fifth, and no more.
        (lambda n: 0.1 if n % 13 in (2, 7) else 0.5, 20),
        (lambda n: 0.8, 0),
    ],
    ids=["some", "everything", "nothing"],
)
def test_few_words_are_marked_as_doubtful(
    visit, confidence: Callable[[int], float], marked: int
) -> None:
    seen = visit()
    answered(seen, 10, confidence)
    assert seen.page.evaluate("CSS.highlights.get('sc-doubt').size") == marked


def test_an_hour_is_shown_and_twenty_thousand_characters_are_edited(visit) -> None:
    seen = visit()
    page = seen.page
    answered(seen, 1600, lambda n: 0.9)
    edit(seen, 1500, 2)
    page.keyboard.type("真的")
    page.keyboard.press("Enter")
    assert lines(seen)[1500:1502] == [f"{SAID[:2]}真的", SAID[2:]]
    # What is far away is neither laid out nor drawn.
    assert not page.evaluate(
        "document.querySelectorAll('#sc-text p[data-id]')[0]"
        ".checkVisibility({contentVisibilityAuto: true})"
    )
    page.reload()
    page.wait_for_selector(LINES)
    assert lines(seen)[1500:1502] == [f"{SAID[:2]}真的", SAID[2:]]
    assert seen.complaints == []
