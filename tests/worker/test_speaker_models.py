"""The models that tell speakers apart: had from where they are, and nothing else taken for one."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest
import speaker_models
import torch
import yaml

from seacod.asr.recognisers import funasr_library
from seacod.asr.speakers import encoders
from seacod.errors import ModelUnavailable, NoSpeakerModel
from seacod.models import registry, speakers
from seacod.speaker_encoders.base import Hub
from seacod.speaker_encoders.registry import of_name
from seacod.speaker_encoders.resemblyzer import mel_filters

SPEECH = (np.random.default_rng(0).standard_normal(25_600) * 0.1).astype(np.float32)


@pytest.mark.full
def test_features_are_those_the_weights_were_trained_with(tmp_path: Path) -> None:
    import librosa

    wanted = librosa.filters.mel(sr=16_000, n_fft=400, n_mels=40)
    assert np.abs(mel_filters() - wanted).max() < 1e-7
    speaker_models.stand_in(tmp_path)
    encoder = encoders.load(speakers.resolve("auto", tmp_path), "cpu")
    found = encoder.features(torch.from_numpy(SPEECH)[None])[0].numpy()  # type: ignore[attr-defined]
    mels = librosa.feature.melspectrogram(y=SPEECH, sr=16_000, n_fft=400, hop_length=160, n_mels=40)
    assert np.allclose(found, mels.T[:160], atol=1e-6)


def test_quiet_speech_is_heard_like_loud_speech(tmp_path: Path) -> None:
    speaker_models.stand_in(tmp_path)
    encoder = encoders.load(speakers.resolve("auto", tmp_path), "cpu")
    quiet, quieter, silent = encoder.embed([SPEECH * 0.1, SPEECH * 0.01, SPEECH * 0])
    assert float(quiet @ quieter) > 0.999
    assert np.isfinite(silent).all()


def test_cam_plus_plus_is_loaded_through_funasr(tmp_path: Path) -> None:
    network = funasr_library.module("funasr.models.campplus.model")
    campplus = of_name("campplus")
    assert campplus is not None and isinstance(campplus.source, Hub)
    directory = registry.fetched_directory(tmp_path, campplus.source.identifier)
    directory.mkdir(parents=True)
    configuration = {"model": "CAMPPlus", "model_conf": {"feat_dim": 80, "embedding_size": 192}}
    (directory / "config.yaml").write_text(yaml.safe_dump(configuration))
    torch.save(
        network.CAMPPlus(**configuration["model_conf"]).state_dict(),
        directory / "campplus_cn_common.bin",
    )
    model = speakers.resolve("auto", tmp_path)
    assert model.name == "campplus"
    encoder = encoders.load(model, "cpu")
    length = round(encoder.window_seconds * 16_000)
    embeddings = encoder.embed([SPEECH[:length], SPEECH[-length:]])
    assert embeddings.shape == (2, 192)
    assert np.linalg.norm(embeddings, axis=1) == pytest.approx([1.0, 1.0], abs=1e-5)
    assert registry.is_complete(directory)


def test_auto_takes_what_is_there_and_a_name_only_that(tmp_path: Path) -> None:
    with pytest.raises(NoSpeakerModel, match="seacod model fetch resemblyzer"):
        speakers.resolve("auto", tmp_path)
    speaker_models.stand_in(tmp_path)
    assert speakers.resolve("auto", tmp_path).name == "resemblyzer"
    with pytest.raises(NoSpeakerModel, match="seacod model fetch campplus"):
        speakers.resolve("campplus", tmp_path)
    with pytest.raises(NoSpeakerModel, match="switched off"):
        speakers.resolve("none", tmp_path)


@pytest.mark.parametrize("kind", ["absent", "no zip", "another wheel", "changed weights"])
def test_what_is_not_the_wheel_is_not_used(tmp_path: Path, kind: str) -> None:
    wheel = tmp_path / "Resemblyzer-0.1.4-py3-none-any.whl"
    if kind == "no zip":
        wheel.write_bytes(b"<html>not found</html>")
    elif kind != "absent":
        with zipfile.ZipFile(wheel, "w") as archive:
            archive.writestr("Resemblyzer-0.1.4.dist-info/LICENSE", "Apache License")
            if kind == "changed weights":
                archive.writestr("resemblyzer/pretrained.pt", b"other weights")
    models = tmp_path / "models"
    with pytest.raises(ModelUnavailable, match="Resemblyzer") as refused:
        speakers.fetch(str(wheel), models, None, print)
    assert "0.1.4" in refused.value.chinese
    assert not list(models.iterdir()), "nothing of it stays"


@pytest.mark.full
def test_real_voices_are_told_apart_with_the_weights_of_the_package_index(tmp_path: Path) -> None:
    from pyannote.core import Annotation, Segment
    from pyannote.metrics.diarization import DiarizationErrorRate
    from speakers.conversations import conversation  # type: ignore[import-not-found]

    from builtin_model.speech import Speaker
    from seacod.asr.decoder.cutting import Cutter
    from seacod.asr.decoder.voice import SileroVoice
    from seacod.asr.speakers.clustering import nearest, voices
    from seacod.asr.speakers.wanted import SpeakerRange
    from seacod.asr.speakers.windows import filled, windows

    directory = speakers.fetch("resemblyzer", tmp_path / "models", None, print).directory
    assert (directory / "LICENSE").read_text().strip().startswith("Apache License")
    encoder = encoders.load(speakers.resolve("auto", tmp_path / "models"), "cpu")
    made = conversation(Speaker(), 0, 3, 60.0, is_overlapping=False)
    voice, cutter = SileroVoice(), Cutter(20.0)
    voice.begin()
    pieces = cutter.feed(made.samples, voice.feed(made.samples)) + cutter.finish()
    placed, numbers, embeddings = [], [], []
    for number, piece in enumerate(pieces):
        for start, end in windows(piece.samples, encoder.window_seconds, encoder.hop_seconds):
            placed.append(((piece.start + start) / 16_000, (piece.start + end) / 16_000))
            numbers.append(number)
            embeddings.append(filled(piece.samples[start:end], encoder.window_seconds))
    found = encoder.embed(embeddings)
    centres = voices(found, np.array(numbers), SpeakerRange(), encoder.likeness)
    assert len(centres) == made.speakers
    truth, heard = Annotation(), Annotation()
    for number, turn in enumerate(made.turns):
        truth[Segment(turn.start, turn.end), number] = turn.speaker
    for number, ((start, end), who) in enumerate(
        zip(placed, nearest(found, centres).tolist(), strict=True)
    ):
        middle, reach = (start + end) / 2, encoder.hop_seconds / 2
        heard[Segment(middle - reach, middle + reach), number] = who
    confusion = DiarizationErrorRate(collar=0.5)(truth, heard, detailed=True)["confusion"]
    assert confusion < 0.05 * made.seconds
