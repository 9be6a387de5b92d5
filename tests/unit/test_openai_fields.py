"""Fields as OpenAI's clients send them: what is read, remarked upon, refused."""

from __future__ import annotations

from dataclasses import replace

import pytest

from seacod.errors import BadRequest, NotFound
from seacod.formats.registry import all_formats, chosen
from seacod.web.openai_fields import (
    ModelNames,
    granularities,
    language_remarks,
    remarks,
    several,
    wants_log_probabilities,
)

NAMES = ModelNames("paraformer* SenseVoice* my-model", "builtin")


@pytest.mark.parametrize(
    "name",
    ["builtin", "seacod", "whisper-1", "gpt-4o-transcribe", "gpt-4o-mini-transcribe",
     "gpt-4o-transcribe-diarize", "gpt-4o-mini-transcribe-2025-12-15", "gpt-transcribe",
     "gpt-realtime-whisper", "paraformer", "Paraformer-ZH", "iic/SenseVoiceSmall", "my-model",
     "./models/paraformer/"],
)  # fmt: skip
def test_a_known_name_means_the_one_model(name: str) -> None:
    NAMES.check(name)


@pytest.mark.parametrize("name", ["gpt-9", "gpt-4o", "my-models", "whisper", "", "para", "tts-1"])
def test_another_name_is_refused_with_what_to_do(name: str) -> None:
    with pytest.raises(NotFound, match=r"server\.model_aliases"):
        NAMES.check(name)
    ModelNames("*", "builtin").check(name)


@pytest.mark.parametrize("name", ["a", "a[]", "a[0]", "a[12]"])
def test_lists_are_read_however_they_are_written(name: str) -> None:
    assert several({name: ["x", "y,z"], "ab": ["no"]}, "a") == ["x", "y", "z"]


def test_granularities_and_includes_are_those_of_the_api() -> None:
    assert granularities({}) == ["segment"]
    assert granularities({"timestamp_granularities[]": ["word", "segment"]}) == ["word", "segment"]
    with pytest.raises(BadRequest, match="use segment or word"):
        granularities({"timestamp_granularities": ["sentence"]})
    assert wants_log_probabilities({"include[]": ["logprobs"]})
    assert not wants_log_probabilities({})
    with pytest.raises(BadRequest, match="use logprobs"):
        wants_log_probabilities({"include": ["everything"]})


@pytest.mark.parametrize(
    "language",
    ["", "auto", "null", "None", "cn", "CN", "zh", "zh-CN", "zh_TW", "zh-Hans-CN", "cmn",
     "cmn-Hans-CN", "zho", "mandarin", "Mandarin", "Chinese", "chinese (simplified)", "中文"],
)  # fmt: skip
def test_chinese_by_any_name_is_silent(language: str) -> None:
    assert language_remarks([language], "zh") == []


@pytest.mark.parametrize("language", ["en", "fr", "ja", "yue", "english", "zhx", "cn2", "x" * 500])
def test_another_language_is_remarked_upon(language: str) -> None:
    (remark,) = language_remarks([language], "zh")
    assert remark.code == "language"
    assert len(remark.message) < 120


def test_what_has_no_meaning_here_is_remarked_upon() -> None:
    def told(response_format: str = "json", **fields: str) -> list[str]:
        lists = {name: [value] for name, value in fields.items()}
        return [
            one.message for one in remarks(lists, chosen("", response_format, all_formats()), "zh")
        ]

    assert told(temperature="0", model="whisper-1", chunking_strategy="auto") == []
    assert "'temperature'" in told(temperature="0.4")[0]
    assert "'chunking_strategy'" in told(**{"chunking_strategy[type]": "server_vad"})[0]
    assert "told apart" in told(**{"known_speaker_names[]": "anna"})[0]
    assert "verbose_json" in told(**{"timestamp_granularities[]": "word"})[0]
    assert told("verbose_json", **{"timestamp_granularities[]": "word"}) == []
    assert "logprobs" in told("srt", **{"include[]": "logprobs"})[0]
    assert len(told(languages="en,zh,fr")) == 2


@pytest.mark.parametrize("language", ["en", "EN-us", "english", "English", "auto", ""])
def test_a_model_of_another_language_says_which_one_it_recognises(language: str) -> None:
    assert language_remarks([language], "en") == []
    (remark,) = language_remarks(["zh"], "en")
    assert "this model recognises English" in remark.message
    assert "本模型识别英语" in remark.chinese


def test_each_format_says_which_fields_it_reads() -> None:
    """Another one that reads them is not answered that nobody did."""
    also = replace(chosen("", "text", all_formats()), name="words", reads=("include",))
    lists = {"include[]": ["logprobs"], "timestamp_granularities[]": ["word"]}
    assert [one.message.split("'")[1] for one in remarks(lists, also, "zh")] == [
        "timestamp_granularities[]"
    ]
