"""The batch tab as people use it: files and archives in, a table that moves, results out."""

from __future__ import annotations

import os
import re
import signal
import zipfile
from pathlib import Path

import sounds
from playwright.sync_api import Route
from supervised import MAX_AUDIO_SECONDS, MAX_UPLOAD_BYTES, Service, wait_until
from test_nothing_is_lost import KEPT

TRICK = "<img src=x onerror=document.title='owned'>.wav"


def write(directory: Path, *names: str) -> list[Path]:
    paths = []
    for name in names:
        path = directory / name
        path.write_bytes(b"no sound" if "broken" in name else sounds.SPEECH.read_bytes())
        paths.append(path)
    return paths


def submit(seen, *paths: Path) -> None:
    seen.open_tab("batch")
    seen.page.set_input_files("#sc-batch-files", paths)
    seen.page.click("#sc-batch button[type=submit]")


def wait_for_summary(page, word: str) -> None:
    page.wait_for_function(
        f"document.querySelector('#sc-job-summary')?.innerText.includes('{word}')"
    )


def rows(page) -> list[str]:
    return page.locator("#sc-job tbody tr").all_inner_texts()


def test_a_batch_is_sent_shown_and_fetched(visit, tmp_path: Path) -> None:
    seen = visit()
    page = seen.page
    submit(seen, *write(tmp_path, "会议.flac", "broken.wav", TRICK))
    wait_for_summary(page, "已完成")
    assert len(rows(page)) == 3
    assert "会议.flac" in rows(page)[0]
    assert "完成" in rows(page)[0]
    assert "失败" in rows(page)[1]
    assert "无法解码" in rows(page)[1]
    assert "<img" in rows(page)[2]
    assert page.title() != "owned"
    with page.expect_download() as download:
        page.click("#sc-job-results")
    with zipfile.ZipFile(download.value.path()) as archive:
        assert archive.read("0001-会议.txt").decode().strip() == sounds.SPEECH_TEXT
    assert page.locator("#sc-job-cancel").is_hidden()
    # What is true of all of them is said once.
    assert "内置试用模型" in page.inner_text("#sc-job-remarks")
    assert "试用模型" not in "".join(rows(page))
    page.click("#sc-language")
    assert "built-in model" in page.inner_text("#sc-job-remarks")
    assert "failed" in rows(page)[1]
    assert "not audio" in rows(page)[1]
    assert seen.complaints == []
    assert seen.outside == []


def test_an_archive_becomes_its_recordings(visit, tmp_path: Path) -> None:
    seen = visit()
    packed = tmp_path / "全部.zip"
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in ("一月/甲.flac", "乙.flac", "__MACOSX/._乙.flac", ".DS_Store"):
            archive.writestr(name, sounds.SPEECH.read_bytes())
    submit(seen, packed, *write(tmp_path, "丙.flac"))
    wait_for_summary(seen.page, "已完成")
    shown = "".join(rows(seen.page))
    assert [name in shown for name in ("一月/甲.flac", "乙.flac", "丙.flac")] == [True] * 3
    assert len(rows(seen.page)) == 3
    damaged = tmp_path / "damaged.zip"
    damaged.write_bytes(packed.read_bytes()[:-100])
    seen.page.set_input_files("#sc-batch-files", damaged)
    seen.page.click("#sc-batch button[type=submit]")
    assert "压缩包不完整" in seen.wait_for_problem("sc-batch")


def test_what_has_failed_is_tried_again(visit, tmp_path: Path) -> None:
    seen = visit()
    page = seen.page
    submit(seen, *write(tmp_path, "a.flac", "broken.wav"))
    wait_for_summary(page, "已完成")
    with page.expect_response(lambda answer: answer.url.endswith("/retry")) as answer:
        page.click("#sc-job-retry")
    assert answer.value.ok
    after = answer.value.json()
    assert after["finished"] is None or after["files"][1]["state"] == "failed"
    # It fails again; the page may or may not have shown it running.
    page.wait_for_function(
        "document.querySelectorAll('#sc-job tbody tr')[1].innerText.includes('失败')"
    )
    submit(seen, *write(tmp_path, "b.flac"))
    page.wait_for_function("document.querySelectorAll('#sc-job tbody tr').length === 1")
    wait_for_summary(page, "已完成")
    assert page.locator("#sc-job-retry").is_hidden()


def test_the_address_comes_back_to_the_batch(visit, tmp_path: Path) -> None:
    seen = visit()
    page = seen.page
    submit(seen, *write(tmp_path, "a.flac"))
    page.wait_for_url(re.compile(r"\?job=[0-9a-f]{32}"))
    address = page.url
    # In another browser, which opens the right tab by itself.
    again = visit(locale="en-US").page
    again.goto(address)
    wait_for_summary(again, "Done")
    again.goto(re.sub(r"job=.*", "job=nothing", address))
    again.wait_for_selector("#sc-batch-problem:not([hidden])")
    assert "no job" in again.inner_text("#sc-batch-problem")
    # And in this one without the address.
    page.goto(address.partition("?")[0])
    page.wait_for_selector("#sc-tab-single[data-seacod=ready]")
    seen.open_tab("batch")
    page.click("#sc-jobs a >> nth=0")
    wait_for_summary(page, "已完成")
    assert page.url == address


def test_mistakes_are_named_before_anything_is_sent(visit, tmp_path: Path) -> None:
    seen = visit()
    page = seen.page
    seen.open_tab("batch")
    page.click("#sc-batch button[type=submit]")
    assert "请先选择" in seen.wait_for_problem("sc-batch")
    big = tmp_path / "big.wav"
    big.write_bytes(bytes(MAX_UPLOAD_BYTES + 1))
    page.set_input_files("#sc-batch-files", [*write(tmp_path, "a.flac"), big])
    page.wait_for_function("document.querySelector('#sc-batch-problem').innerText.includes('big')")
    assert "3 MiB" in page.inner_text("#sc-batch-problem")
    assert seen.sent == []


def test_an_open_page_reconnects_when_the_worker_is_killed(
    visit, live: Service, tmp_path: Path
) -> None:
    seen = visit()
    page = seen.page
    submit(seen, *write(tmp_path, *(f"{n}.flac" for n in range(40))))
    page.wait_for_function("document.querySelectorAll('#sc-job tbody tr').length === 40")
    killed = live.worker_pid()
    os.kill(killed, signal.SIGKILL)
    wait_until(lambda: live.status_of("serving", other_than=killed), "another worker")
    wait_for_summary(page, "已完成")
    assert all("完成" in row for row in rows(page))


def open_text(seen, number: int) -> None:
    seen.page.click(f"#sc-job tbody tr:nth-child({number}) .sc-open")
    seen.page.wait_for_function(
        "number => document.querySelector(`#sc-job tbody tr:nth-child(${number}).sc-read`)"
        " && document.querySelector('#sc-batch-text p')",
        arg=number,
    )


def test_each_text_is_read_played_corrected_and_exported_where_the_table_is(
    visit, tmp_path: Path
) -> None:
    seen = visit()
    page = seen.page
    submit(seen, *write(tmp_path, "甲.flac", "broken.wav", "乙.flac"))
    wait_for_summary(page, "已完成")
    assert page.locator("#sc-job tbody .sc-open").all_inner_texts() == ["甲.flac", "乙.flac"]
    open_text(seen, 3)
    assert page.inner_text("#sc-batch-reading") == "乙.flac"
    page.wait_for_function("!document.querySelector('#sc-batch-play').disabled")
    page.click("#sc-batch-take [data-do=edit]")
    page.keyboard.press("Home")
    page.keyboard.type("好")
    page.keyboard.press("Escape")
    corrected = f"好{sounds.SPEECH_TEXT}"
    name, content = seen.take("srt", "sc-batch")
    assert name == "乙.srt"
    assert corrected in content.decode()
    # The other one has its own text; this one is there again.
    open_text(seen, 1)
    assert page.inner_text("#sc-batch-text p") == sounds.SPEECH_TEXT
    page.reload()
    wait_for_summary(page, "已完成")
    open_text(seen, 3)
    assert page.inner_text("#sc-batch-text p") == corrected
    page.wait_for_function("!document.querySelector('#sc-batch-play').disabled")
    with page.expect_download() as download:
        page.click("#sc-job-combined")
    together = Path(download.value.path()).read_text("utf-8")
    assert together == f"甲.flac\n\n{sounds.SPEECH_TEXT}\n\n\n乙.flac\n\n{corrected}\n"
    assert seen.complaints == []


def test_files_are_added_and_taken_out_before_they_are_sent(visit, tmp_path: Path) -> None:
    seen = visit()
    page = seen.page
    seen.open_tab("batch")
    chosen = page.locator(".sc-chosen-files li")
    page.set_input_files("#sc-batch-files", write(tmp_path, "a.flac", "b.flac"))
    page.set_input_files("#sc-batch-files", write(tmp_path, "c.flac"))
    assert chosen.locator("span:first-child").all_inner_texts() == [
        "a.flac", "b.flac", "c.flac",
    ]  # fmt: skip
    # The same again is not there twice.
    page.set_input_files("#sc-batch-files", tmp_path / "c.flac")
    assert chosen.count() == 3
    page.wait_for_function(
        "document.querySelector('.sc-chosen-files').innerText.match(/0:03/g)?.length === 3"
    )
    long = tmp_path / "long.wav"
    long.write_bytes(sounds.silence(MAX_AUDIO_SECONDS + 30))
    page.set_input_files("#sc-batch-files", long)
    assert "long.wav 的时长为 1:30" in seen.wait_for_problem("sc-batch")
    assert chosen.count() == 3
    chosen.nth(1).locator("button").click()
    page.click("#sc-batch button[type=submit]")
    wait_for_summary(page, "已完成")
    assert [row.split("\t")[1].strip() for row in rows(page)] == ["a.flac", "c.flac"]
    assert chosen.count() == 0


DROPPED_FOLDER = """bytes => {
  const file = (name) => ({isFile: true, name,
    file: (done) => done(new File([new Uint8Array(bytes)], name, {type: 'audio/flac'}))});
  const folder = (name, entries) => ({isDirectory: true, name, createReader: () => {
    const waiting = entries.map((one) => [one]);
    return {readEntries: (done) => done(waiting.shift() ?? [])};
  }});
  const month = folder('一月', [file('a.flac'), file('.DS_Store')]);
  const year = folder('2026', [file('b.flac'), month]);
  const drop = new Event('drop', {bubbles: true, cancelable: true});
  Object.defineProperty(drop, 'dataTransfer',
    {value: {items: [{webkitGetAsEntry: () => year}], files: []}});
  document.querySelector('#sc-batch-drop').dispatchEvent(drop);
}"""


def test_folders_are_walked(visit, tmp_path: Path) -> None:
    seen = visit()
    page = seen.page
    seen.open_tab("batch")
    chosen = page.locator(".sc-chosen-files li span:first-child")
    (tmp_path / "二月").mkdir()
    write(tmp_path, "c.flac", "二月/d.flac", ".DS_Store")
    page.set_input_files("#sc-batch-folder-files", tmp_path)
    wait_until(lambda: sorted(chosen.all_inner_texts()) == ["c.flac", "d.flac"], "the folder")
    page.click("#sc-batch-none")
    # Dropped; no script can put a folder into what a browser gives away when something is dropped.
    page.evaluate(DROPPED_FOLDER, list(sounds.SPEECH.read_bytes()))
    wait_until(lambda: sorted(chosen.all_inner_texts()) == ["a.flac", "b.flac"], "what was dropped")


def test_several_files_for_the_single_tab_go_to_the_batch(visit, tmp_path: Path) -> None:
    seen = visit()
    page = seen.page
    sound = list(sounds.SPEECH.read_bytes())
    page.evaluate(
        """bytes => {
          const data = new DataTransfer();
          for (const name of ['a.flac', 'b.flac'])
            data.items.add(new File([new Uint8Array(bytes)], name, {type: 'audio/flac'}));
          document.querySelector('#sc-drop').dispatchEvent(
            new DragEvent('drop', {dataTransfer: data, bubbles: true, cancelable: true}));
        }""",
        sound,
    )
    page.wait_for_selector("#sc-tab-batch", state="visible")
    assert page.locator(".sc-chosen-files li").count() == 2


GONE = {"error": {"message": "there is no such job", "message_zh": "没有这个任务"}}
WITH_SOUND = KEPT.replace("[one.name, one.state]", "one.hasSound")


def test_a_corrected_text_is_there_when_the_service_has_forgotten_its_batch(
    visit, tmp_path: Path
) -> None:
    seen = visit()
    page = seen.page
    submit(seen, *write(tmp_path, "甲.flac", "乙.flac"))
    wait_for_summary(page, "已完成")
    # The sound of both is kept; what nobody has read is in no list.
    wait_until(lambda: page.evaluate(WITH_SOUND) == [True, True], "both sounds")
    assert page.locator("#sc-batch-library").is_hidden()
    open_text(seen, 2)
    page.click("#sc-batch-take [data-do=edit]")
    page.keyboard.press("Home")
    page.keyboard.type("好")
    page.keyboard.press("Escape")
    corrected = f"好{sounds.SPEECH_TEXT}"
    page.evaluate(KEPT)
    page.route(re.compile(r"/jobs/[0-9a-f]+$"), lambda route: route.fulfill(status=404, json=GONE))
    page.reload()
    assert "没有这个任务" in seen.wait_for_problem("sc-batch")
    assert page.locator("#sc-job").is_hidden()
    page.click("#sc-batch-library summary")
    assert page.locator("#sc-batch-library li b").all_inner_texts() == ["乙.flac"]
    page.click("#sc-batch-library .sc-recording-open")
    page.wait_for_selector("#sc-batch-text p")
    assert page.inner_text("#sc-batch-text p") == corrected
    assert page.inner_text("#sc-batch-reading") == "乙.flac"
    page.wait_for_function("!document.querySelector('#sc-batch-play').disabled")
    # All of it goes, that which nobody has read, too.
    page.on("dialog", lambda dialog: dialog.accept())
    page.click("#sc-batch-library [data-do=clear]")
    page.wait_for_selector("#sc-batch-library", state="hidden")
    assert page.locator("#sc-batch-text p").count() == 0
    assert page.evaluate(KEPT) == []


def test_what_is_added_while_others_are_sent_is_still_to_be_sent(visit, tmp_path: Path) -> None:
    seen = visit()
    page = seen.page
    waiting: list[Route] = []
    page.route("**/batch_transcribe", lambda route: waiting.append(route))
    with page.expect_request("**/batch_transcribe"):
        submit(seen, *write(tmp_path, "a.flac"))
    page.set_input_files("#sc-batch-files", write(tmp_path, "b.flac"))
    chosen = page.locator(".sc-chosen-files li span:first-child")
    assert chosen.all_inner_texts() == ["a.flac", "b.flac"]
    wait_until(lambda: page.evaluate("true") and waiting, "the request")
    waiting[0].continue_()
    wait_for_summary(page, "已完成")
    assert len(rows(page)) == 1
    assert chosen.all_inner_texts() == ["b.flac"]
