"""Each output format, byte for byte."""

from __future__ import annotations

import datetime
import io
import json
import zipfile
from dataclasses import replace

import pytest
from docx import Document

from seacod.errors import BadRequest
from seacod.formats import full_json, registry
from seacod.formats.base import Choices, OutputFormat
from seacod.transcript import (
    HotwordReport,
    ReplacementReport,
    Segment,
    Token,
    Transcript,
    TranscriptWarning,
)

FORMATS = {one.name: one for one in registry.all_formats()}
TOKENS = (Token("你", 0.5, 0.75, 0.98765), Token("好", 0.75, 1.25))
SENTENCES = (
    Segment(0.5, 1.25, "你好。", 0.98765, TOKENS),
    Segment(3661.0004, 3662.9996, "A & B <\tC\n>", None),
)
RETRIED = TranscriptWarning("retried", "heard twice", "识别两次", 1.5, 2.0)
TRANSCRIPT = Transcript(
    "你好。\nA & B <\tC\n>", SENTENCES, duration_seconds=3700.12345, processing_seconds=37.0,
    queue_seconds=0.25, confidence=0.98765, model="builtin", device="cpu",
    hotwords=(HotwordReport("你好", "matched"),), warnings=(RETRIED,), speech_seconds=2.75,
    unheard=((1.5, 2.0),), replacements=(ReplacementReport("泥", "你", "pinyin", 2),),
)  # fmt: skip

WRITTEN = {
    "text": "你好。\nA & B < C >\n",
    "srt": "1\n00:00:00,500 --> 00:00:01,500\n你好。\n\n"
    "2\n01:01:01,000 --> 01:01:03,000\nA & B < C >\n",
    "vtt": "WEBVTT\n\nNOTE\n注意：识别两次\nNote: heard twice\n\n"
    "00:00:00.500 --> 00:00:01.500\n你好。\n\n"
    "01:01:01.000 --> 01:01:03.000\nA &amp; B &lt; C >\n",
    "lrc": "[00:00.50]你好。\n[00:01.50]\n[61:01.00]A & B < C >\n[61:03.00]\n",
    "csv": "\ufeffstart,end,speaker,text\r\n00:00:00.500,00:00:01.250,,你好。\r\n"
    "01:01:01.000,01:01:03.000,,A & B < C >\r\n",
    "tsv": "start\tend\ttext\n500\t1250\t你好。\n3661000\t3663000\tA & B < C >\n",
}
WARNINGS = {
    "warnings": ["heard twice"],
    "warning_details": [
        {"code": "retried", "message": "heard twice", "message_zh": "识别两次",
         "start": 1.5, "end": 2.0},
    ],
}  # fmt: skip
FULL = {
    "text": "你好。\nA & B <\tC\n>",
    "segments": [
        {
            "start": 0.5, "end": 1.25, "text": "你好。", "confidence": 0.9877,
            "speaker": None,
            "tokens": [
                {"text": "你", "start": 0.5, "end": 0.75, "confidence": 0.9877},
                {"text": "好", "start": 0.75, "end": 1.25, "confidence": None},
            ],
        },
        {
            "start": 3661.0, "end": 3663.0, "text": "A & B <\tC\n>", "confidence": None,
            "speaker": None, "tokens": [],
        },
    ],
    "speakers": [],
    "confidence": 0.9877, "confidence_kind": "uncalibrated", "language": "zh",
    "duration": 3700.123, "speech": 2.75, "processing_time": 37.0, "queue_time": 0.25,
    "real_time_factor": 0.01, "hotwords": [{"word": "你好", "status": "matched", "reason": ""}],
    "replacements": [{"heard": "泥", "written": "你", "kind": "pinyin", "count": 2}],
    **WARNINGS,
    "unheard": [[1.5, 2.0]], "missing": 0.0, "model": "builtin", "device": "cpu",
}  # fmt: skip
VERBOSE = {
    "task": "transcribe", "language": "chinese", "duration": 3700.123,
    "text": "你好。\nA & B <\tC\n>", **WARNINGS,
    "segments": [
        {
            "id": 0, "seek": 50, "start": 0.5, "end": 1.25, "text": "你好。", "tokens": [],
            "temperature": 0.0, "avg_logprob": -0.0124, "compression_ratio": 0.5,
            "no_speech_prob": None, "confidence": 0.9877,
        },
        {
            "id": 1, "seek": 366100, "start": 3661.0, "end": 3663.0, "text": "A & B <\tC\n>",
            "tokens": [], "temperature": 0.0, "avg_logprob": None, "compression_ratio": 0.5789,
            "no_speech_prob": None, "confidence": None,
        },
    ],
}  # fmt: skip
WORDS = [{"word": "你", "start": 0.5, "end": 0.75}, {"word": "好", "start": 0.75, "end": 1.25}]


@pytest.mark.parametrize("name", WRITTEN)
def test_text_formats_are_written_as_ever(name: str) -> None:
    assert FORMATS[name].write(TRANSCRIPT) == WRITTEN[name]


def test_ass_has_a_line_for_each_cue_and_no_command_in_it() -> None:
    said = (
        Segment(0.504, 2.0, "你好{\\an8}。" + "今" * 20, None, (), "A, B"),
        Segment(3661.0, 3663.0, r"a\Nb", None),
    )
    written = FORMATS["ass"].write(replace(TRANSCRIPT, segments=said, warnings=()))
    head, _, events = written.partition("[Events]\n")
    assert head.startswith("[Script Info]\nScriptType: v4.00+\n")
    assert [len(line.split(",")) for line in head.splitlines() if ": Name, " in line] == [23]
    assert [len(line.split(",")) for line in head.splitlines() if "Style: D" in line] == [23]
    first, second = events.splitlines()[1:]
    assert first.startswith("Dialogue: 0,0:00:00.50,0:00:02.00,Default,A， B,0,0,0,,你好｛＼an8｝")
    assert first.count(r"\N") == 1
    assert second == r"Dialogue: 0,1:01:01.00,1:01:03.00,Default,,0,0,0,,a＼Nb"


@pytest.mark.parametrize(("name", "body"), [("json", FULL), ("verbose_json", VERBOSE)])
def test_json_formats_are_written_as_ever(name: str, body: dict[str, object]) -> None:
    indented = json.dumps(body, ensure_ascii=False, indent=1) + "\n"
    assert FORMATS[name].write(TRANSCRIPT) == indented


def test_verbose_json_has_the_words_of_those_who_ask_for_them() -> None:
    render = FORMATS["verbose_json"].render
    assert render(TRANSCRIPT, Choices(("segment", "word"))) == {**VERBOSE, "words": WORDS}
    only_words = {k: v for k, v in VERBOSE.items() if k != "segments"}
    assert render(TRANSCRIPT, Choices(("word",))) == {**only_words, "words": WORDS}


def test_openais_segments_have_what_the_model_and_the_voice_activity_said() -> None:
    tokens = (
        Token("你", 0.5, 0.75, 0.5, numbers=(7, 9)),
        Token("好", 0.75, 1.25, 1.0, numbers=(3,)),
    )
    said = Segment(0.5, 1.25, "你好", 0.75, tokens, speech_probability=0.9)
    body = FORMATS["verbose_json"].render(replace(TRANSCRIPT, segments=(said,)), Choices())
    assert isinstance(body, dict)
    (segment,) = body["segments"]
    assert segment["tokens"] == [7, 9, 3]
    assert segment["avg_logprob"] == pytest.approx(-0.3466, abs=1e-4)
    assert segment["no_speech_prob"] == pytest.approx(0.1)


def test_openais_json_has_log_probabilities_for_who_asks() -> None:
    render = FORMATS["json"].render_openai
    assert render is not None
    body = render(TRANSCRIPT, Choices(wants_log_probabilities=True))
    assert isinstance(body, dict)
    assert body["logprobs"][:2] == [
        {"token": "你", "bytes": list("你".encode()), "logprob": -0.0124},
        {"token": "好", "bytes": list("好".encode())},
    ]


def test_openai_has_the_formats_of_its_own_api() -> None:
    shapes = {one.name: one.render_openai for one in FORMATS.values() if one.render_openai}
    assert set(shapes) >= {"json", "verbose_json", "diarized_json", "text", "srt", "vtt"}
    assert shapes["json"](TRANSCRIPT, Choices()) == {"text": TRANSCRIPT.text, **WARNINGS}
    assert shapes["json"](replace(TRANSCRIPT, warnings=()), Choices()) == {"text": TRANSCRIPT.text}


def test_a_kept_result_gives_the_other_formats_again() -> None:
    kept = full_json.read(json.loads(json.dumps(full_json.body(TRANSCRIPT))))
    for one in FORMATS.values():
        if not one.is_json and not one.is_binary:
            assert one.write(kept) == one.write(TRANSCRIPT)


@pytest.mark.parametrize("one", FORMATS.values(), ids=lambda one: one.name)
def test_each_gives_what_it_says(one: OutputFormat) -> None:
    assert isinstance(
        one.render(TRANSCRIPT, Choices()), dict if one.is_json else bytes if one.is_binary else str
    )
    assert one.is_json == one.media_type.startswith("application/json")
    assert one.ending.startswith(".")
    # The page asks for text besides the JSON that it shows.
    assert not one.is_on_page or not one.is_json or one.name == registry.DEFAULT
    assert one.title("en") != one.title("zh")


def test_a_format_that_does_not_exist_is_refused_with_those_that_do() -> None:
    with pytest.raises(BadRequest) as refused:
        registry.chosen("format", "pdf", registry.all_formats())
    listed = ", ".join(FORMATS)
    assert f"'pdf'; use one of {listed}" in refused.value.message
    with pytest.raises(BadRequest):
        registry.chosen_texts("also", "srt,json")
    with pytest.raises(BadRequest):
        registry.chosen_texts("also", "docx")


def test_every_format_says_who_speaks_where_that_is_known() -> None:
    said = Transcript(
        "你好 我", (
            Segment(0.0, 1.0, "你好", 0.9, (Token("你", 0.0, 0.5, 0.9, "S1"),), "S1"),
            Segment(1.0, 1.4, "我", 0.9, (), "S1"),
            Segment(1.5, 2.0, "a < b", 0.9, (), "A > B"),
        ), 2.0, 0.1, 0.0, 0.9, "builtin", "cpu",
    )  # fmt: skip
    assert FORMATS["text"].write(said) == "S1: 你好 我\nA > B: a < b\n"
    assert "\nS1: 你好 我\n" in FORMATS["srt"].write(said)
    assert "\n<v A &gt; B>a &lt; b\n" in FORMATS["vtt"].write(said)
    assert "\tS1: 你好\n" in FORMATS["tsv"].write(said)
    verbose = json.loads(FORMATS["verbose_json"].write(said))
    assert [one["speaker"] for one in verbose["segments"]] == ["S1", "S1", "A > B"]
    diarized = json.loads(FORMATS["diarized_json"].write(said))
    assert [one["speaker"] for one in diarized["segments"]] == ["S1", "S1", "A > B"]
    body = full_json.body(said)
    assert body["speakers"] == [
        {"name": "S1", "seconds": 1.4}, {"name": "A > B", "seconds": 0.5},
    ]  # fmt: skip
    assert full_json.read(body) == said


def paragraphs(content: bytes) -> list[str]:
    return [one.text for one in Document(io.BytesIO(content)).paragraphs]


def test_a_word_document_has_warnings_times_speakers_and_text() -> None:
    said = replace(
        TRANSCRIPT,
        segments=(
            Segment(0.5, 1.25, "你好。", None, (), "王 <b>"),
            Segment(3661.9, 3663.0, "A & B <\x0bC \ud800>", None, (), "S2"),
        ),
    )
    wanted = ["[00:00:00] 王 <b>: 你好。", "[01:01:01] S2: A & B < C \ufffd>"]
    docx = FORMATS["docx"]
    head = ["注意：识别两次", "Note: heard twice"]
    assert paragraphs(docx.content(said)) == [*head, *wanted]
    assert paragraphs(docx.content(said, Choices(shows_warnings=False))) == wanted
    assert paragraphs(docx.content(replace(said, segments=(), warnings=()))) == []


def test_a_word_document_says_of_itself_what_is_true() -> None:
    began = datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0)
    named = Choices(recording_name="C:\\会议\\三月.例会.flac")
    content = FORMATS["docx"].content(TRANSCRIPT, named)
    document = Document(io.BytesIO(content))
    about = document.core_properties
    assert (about.title, about.author, about.last_modified_by) == ("三月.例会", "seacod", "seacod")
    assert (about.comments, about.language) == ("", "zh-CN")
    for moment in (about.created, about.modified):
        assert moment is not None
        ago = moment.replace(tzinfo=datetime.timezone.utc) - began
        assert datetime.timedelta(0) <= ago < datetime.timedelta(minutes=5)
    page = document.sections[0]
    assert page.page_width is not None and page.page_height is not None
    assert (round(page.page_width.mm), round(page.page_height.mm)) == (210, 297)
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        names = archive.namelist()
        every = b"".join(map(archive.read, names))
        assert b'w:eastAsia="zh-CN"' in archive.read("word/styles.xml")
    assert not [one for one in names if "thumbnail" in one or one.endswith("app.xml")]
    for foreign in (b"python-docx", b"Macintosh", b"2013-12-23", b"ja-JP"):
        assert foreign not in every


@pytest.mark.parametrize("name", ["", "/", "a\x00\n\ud800.wav", "长" * 1000 + ".wav"])
def test_a_word_document_has_whatever_name_as_title(name: str) -> None:
    content = FORMATS["docx"].content(TRANSCRIPT, Choices(recording_name=name))
    title = Document(io.BytesIO(content)).core_properties.title
    assert len(title) <= 255 and "\n" not in title


def test_a_word_document_has_tracks_one_after_the_other() -> None:
    said = replace(
        TRANSCRIPT, text="A:\n一二\n\nB:\n三", warnings=(),
        segments=(
            Segment(0.0, 1.0, "一", None, (), "A"), Segment(0.5, 1.0, "三", None, (), "B"),
            Segment(1.0, 2.0, "二", None, (), "A"),
        ),
    )  # fmt: skip
    assert paragraphs(FORMATS["docx"].content(said)) == [
        "A", "[00:00:00] 一 二", "B", "[00:00:00] 三",
    ]  # fmt: skip
    assert FORMATS["text"].write(said) == "A:\n一 二\n\nB:\n三\n"


def test_warnings_stand_wherever_a_format_can_hold_them() -> None:
    arrow = replace(RETRIED, message="from --> to\n\nhere", chinese="从 --> 到")
    said = replace(TRANSCRIPT, warnings=(RETRIED, arrow, RETRIED))
    head = "注意：识别两次\nNote: heard twice\n注意：从 --> 到\nNote: from --> to here\n"
    text = FORMATS["text"]
    assert text.write(said) == WRITTEN["text"]
    assert text.write(said, Choices(shows_warnings=True)) == f"{head}\n{WRITTEN['text']}"
    vtt = FORMATS["vtt"].write(said)
    assert f"WEBVTT\n\nNOTE\n{head.replace('-->', '->')}\n00:00:00.500 --> " in vtt
    ass = FORMATS["ass"].write(said).split("ScriptType")[0]
    assert ass == "[Script Info]\n" + "".join(f"; {line}\n" for line in head.splitlines())
    for name in ("json", "verbose_json", "diarized_json"):
        body = json.loads(FORMATS[name].write(said))
        assert body["warnings"] == ["heard twice", "from --> to\n\nhere", "heard twice"]
        assert [one["code"] for one in body["warning_details"]] == ["retried"] * 3
    without = replace(said, warnings=())
    for one in FORMATS.values():
        if not one.is_json and not one.is_binary:
            assert "注意" not in one.write(without, Choices(shows_warnings=True))


def test_an_arrow_in_a_text_is_no_line_of_times() -> None:
    said = Transcript(
        "", (Segment(0.0, 2.0, "a --> b", None, (), "A --> B"),), 2.0, 0.1, 0.0, None, "m", "cpu"
    )
    lines = FORMATS["vtt"].write(said).splitlines()
    assert [line for line in lines if "-->" in line] == ["00:00:00.000 --> 00:00:02.000"]
