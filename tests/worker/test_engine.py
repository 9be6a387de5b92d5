"""The real FunASR with the built-in model: text, times, confidence, hotwords, odd input."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import sounds
import torch
import yaml
from pydantic import ValidationError

from seacod.asr import audio
from seacod.asr.audio import Samples
from seacod.asr.recognisers.seaco_paraformer import SeacoParaformer
from seacod.config.asr import AsrSettings
from seacod.errors import ModelUnavailable, OutOfMemory
from seacod.models import registry

WITH_HOTWORDS = next(e for e in sounds.EXAMPLES if e["hotwords"])


@pytest.fixture(scope="module")
def engine() -> Iterator[SeacoParaformer]:
    settings = AsrSettings()
    yield SeacoParaformer(registry.resolve(settings, registry.BUILTIN), 0)


def example(name: str) -> Samples:
    return audio.decode(sounds.EXAMPLES_DIRECTORY / name, max_seconds=300)


def test_a_sentence_comes_with_times_and_confidence(engine: SeacoParaformer) -> None:
    (heard,) = engine.recognise([example(sounds.EXAMPLES[0]["file"])])
    assert heard.text == sounds.SPEECH_TEXT
    assert "".join(token.text for token in heard.tokens) == sounds.SPEECH_TEXT
    starts = [token.start_seconds for token in heard.tokens]
    assert starts == sorted(starts)
    assert all(token.end_seconds > token.start_seconds for token in heard.tokens)
    assert all(0.0 < (token.confidence or 0) <= 1.0 for token in heard.tokens)


def test_confidence_falls_when_the_recording_is_bad(engine: SeacoParaformer) -> None:
    clean = example(sounds.EXAMPLES[0]["file"])
    noise = np.random.default_rng(3).normal(0, 0.15, len(clean)).astype(np.float32)
    (good,), (bad,) = engine.recognise([clean]), engine.recognise([clean + noise])
    assert good.confidence is not None
    assert (bad.confidence or 0.0) < good.confidence


def test_our_filter_banks_are_what_funasr_uses(engine: SeacoParaformer) -> None:
    """Its own give the same and are slow."""
    engine.recognise([example(sounds.EXAMPLES[0]["file"])])
    assert type(engine._model.kwargs["frontend"].forward).__name__ == "_Forward"


def without_dither_key(directory: Path) -> Path:
    """The built-in model as the published ones are: their configuration says nothing of dither, and
    FunASR's default is 1.0."""
    shutil.copytree(registry.BUILTIN, directory, ignore=shutil.ignore_patterns("examples"))
    file = directory / "config.yaml"
    configuration = yaml.safe_load(file.read_text("utf-8"))
    del configuration["frontend_conf"]["dither"]
    file.write_text(yaml.safe_dump(configuration, allow_unicode=True), "utf-8")
    return directory


def test_the_same_recording_gives_the_same_text_whatever_the_configuration_leaves_out(
    engine: SeacoParaformer, tmp_path: Path
) -> None:
    models = registry.resolve(
        AsrSettings(model=str(without_dither_key(tmp_path / "model"))), tmp_path
    )
    theirs = SeacoParaformer(models, 1)
    speech = example(sounds.EXAMPLES[0]["file"])
    # Noise of one unit of 16 bits beside what is as quiet would be most of what is heard.
    quiet = speech * (4 / 32768 / float(np.abs(speech).max()))
    first, *again = (theirs.recognise([quiet])[0] for _ in range(3))
    assert all(heard == first for heard in again)
    assert first.text == engine.recognise([quiet])[0].text
    assert type(theirs._model.kwargs["frontend"].forward).__name__ == "_Forward"


def test_pieces_together_give_what_they_give_alone(engine: SeacoParaformer) -> None:
    names = [e["file"] for e in sounds.EXAMPLES if not e["hotwords"] and e["seconds"] < 10]
    pieces = [example(name) for name in names]
    together = [heard.text for heard in engine.recognise(pieces)]
    alone = [engine.recognise([piece])[0].text for piece in pieces]
    assert together == alone


def test_hotwords_mend_what_is_misheard_and_are_forgotten_after(engine: SeacoParaformer) -> None:
    samples = example(WITH_HOTWORDS["file"])
    without = engine.recognise([samples])[0].text
    with_list = engine.recognise([samples], [(WITH_HOTWORDS["hotwords"],)])[0].text
    afterwards = engine.recognise([samples])[0].text
    assert without == afterwards == WITH_HOTWORDS["text"]
    assert with_list == WITH_HOTWORDS["text_with_hotwords"]
    assert WITH_HOTWORDS["hotwords"] in with_list
    assert WITH_HOTWORDS["hotwords"] not in without


def test_texts_times_and_hotwords_are_those_of_funasr_itself(engine: SeacoParaformer) -> None:
    for one in sounds.EXAMPLES:
        samples = example(one["file"])
        for words in ([], [one["hotwords"]] if one["hotwords"] else ["海鸟", "欣悦"]):
            (heard,) = engine.recognise([samples], [words])
            (theirs,) = engine._model.generate(
                input=[samples], hotword=" ".join(words) or None, cache={}
            )
            assert [token.text for token in heard.tokens] == theirs["text"].split()
            assert [
                [round(token.start_seconds * 1000), round(token.end_seconds * 1000)]
                for token in heard.tokens
            ] == theirs["timestamp"]


def test_each_piece_of_a_batch_has_its_own_list(engine: SeacoParaformer) -> None:
    """Beside any other list, none at all, and more words than the model listens for at once."""
    sample = example(WITH_HOTWORDS["file"])
    characters = sorted(c for c in engine.vocabulary or () if len(c) == 1 and c > "一")
    others = [a + b for a in characters[:30] for b in characters[30:60]]
    lists = [
        [WITH_HOTWORDS["hotwords"]], [], others[:3], [*others, WITH_HOTWORDS["hotwords"]], others,
        others[:50], ["龘龘", "GPU"],
    ]  # fmt: skip
    pieces = [sample] * len(lists)
    pieces[1] = example(sounds.EXAMPLES[0]["file"])
    together = engine.recognise(pieces, lists)
    alone = [
        engine.recognise([piece], [words])[0] for piece, words in zip(pieces, lists, strict=True)
    ]
    assert [heard.text for heard in together] == [heard.text for heard in alone]
    assert together[1].text == sounds.SPEECH_TEXT
    assert WITH_HOTWORDS["hotwords"] in together[0].text
    # Found among nine hundred, where taking the first fifty would have left it out.
    assert WITH_HOTWORDS["hotwords"] in together[3].text
    assert together[6].text == WITH_HOTWORDS["text"]


@pytest.mark.parametrize("count", [1, 7, 50, 51])
def test_any_number_of_hotwords_works(engine: SeacoParaformer, count: int) -> None:
    """From 50 on FunASR filters its list by the attention of the sixth decoder layer (1.4.16)."""
    characters = sorted(c for c in engine.vocabulary or () if len(c) == 1 and c > "一")
    words = [a + b for a, b in zip(characters[:count], characters[60:], strict=False)]
    (heard,) = engine.recognise([example(sounds.EXAMPLES[0]["file"])], [words])
    assert heard.text


@pytest.mark.parametrize(
    "samples",
    [np.zeros(0), np.zeros(1), np.zeros(400), np.zeros(16_000), np.ones(16_000)],
    ids=["empty", "one-sample", "25ms", "silence", "constant"],
)
def test_what_would_end_funasr_is_kept_from_it(engine: SeacoParaformer, samples: Samples) -> None:
    samples = samples.astype(np.float32)
    speech = example(sounds.EXAMPLES[0]["file"])
    results = engine.recognise([samples, speech])
    assert results[1].text == sounds.SPEECH_TEXT


def test_out_of_memory_is_said_as_such(
    engine: SeacoParaformer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error is forced: without a GPU none comes by itself. A real one is tried where it can."""

    def never(*arguments: object) -> object:
        raise torch.OutOfMemoryError("CUDA out of memory (forced by a test)")

    monkeypatch.setattr(engine._model.model, "encode", never)
    with pytest.raises(OutOfMemory, match="does not fit"):
        engine.recognise([example(sounds.EXAMPLES[0]["file"])] * 3)


def test_what_comes_back_empty_is_tried_alone_and_said(
    engine: SeacoParaformer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beside others the predictor may count no token; here it is made to."""
    real = engine._model.model.calc_predictor
    speech = example(sounds.EXAMPLES[0]["file"])

    def counts_none(encoded: torch.Tensor, lengths: torch.Tensor) -> object:
        embeds, counts, *others = real(encoded, lengths)
        return embeds, counts * (len(counts) == 1), *others

    monkeypatch.setattr(engine._model.model, "calc_predictor", counts_none)
    heard = engine.recognise([speech] * 3)
    assert [h.text for h in heard] == [sounds.SPEECH_TEXT] * 3
    assert all(h.was_retried for h in heard)


def test_a_gpu_that_is_not_there_is_one_sentence(engine: SeacoParaformer) -> None:
    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    with pytest.raises(ModelUnavailable, match="cuda:3 is not there"):
        engine.place("cuda:3")


def test_a_broken_model_is_one_sentence(tmp_path: Path) -> None:
    for file in registry.BUILTIN.iterdir():
        if file.is_file():
            (tmp_path / file.name).write_bytes(file.read_bytes())
    (tmp_path / "model.pt").write_bytes(b"not a model")
    models = registry.resolve(AsrSettings(model=str(tmp_path)), tmp_path)
    with pytest.raises(ModelUnavailable, match="does not load"):
        SeacoParaformer(models, 0)


def test_a_directory_without_a_model_and_a_name_of_none(tmp_path: Path) -> None:
    with pytest.raises(ModelUnavailable, match=r"config\.yaml, model\.pt is missing"):
        registry.resolve(AsrSettings(model=str(tmp_path)), tmp_path)
    with pytest.raises(ModelUnavailable, match="no directory"):
        registry.resolve(AsrSettings(model="/does/not/exist"), tmp_path)
    with pytest.raises(ModelUnavailable, match="seacod model fetch paraformer-zh"):
        registry.resolve(AsrSettings(model="paraformer-zh"), tmp_path)
    with pytest.raises(ValidationError, match="did you mean paraformer-zh"):
        AsrSettings(model="parafromer")
