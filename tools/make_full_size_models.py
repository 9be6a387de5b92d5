#!/usr/bin/env python3
"""Models of the real size with random weights: what a model of 3 million parameters hides is seen
with these, without any download.

    tools/make_full_size_models.py DIRECTORY      (2.1 GB, about a minute)

Writes three directories laid out as ModelScope publishes them: Seaco-Paraformer-large (247 million
parameters), ct-punc large, fsmn-vad. The weights are drawn from a fixed seed and scaled like
trained ones, so that each second of sound becomes some four tokens, most of them characters, some
of them pieces of English words (`tran@@`), the same ones each time. Configuration, token list and
seg_dict are of the published form, without the keys that the published ones lack (`dither`). What
comes out as text means nothing.
"""

from __future__ import annotations

import argparse
import collections
import json
import random
import re
import sysconfig
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import torch
import yaml

from seacod.models.registry import BUILTIN

ASR = "speech_seaco_paraformer_large_asr_nat-zh-cn-16k-common-vocab8404-pytorch"
PUNCTUATION = "punc_ct-transformer_cn-en-common-vocab471067-large"
VAD = "speech_fsmn_vad_zh-cn-16k-common-pytorch"
_TOKENS, _NO_BIAS = 8404, 8377
_PUNCTUATION_TOKENS = 471_067
_SPECIAL = ("<blank>", "<s>", "</s>")
_LETTERS = "abcdefghijklmnopqrstuvwxyz"
_NETWORKS = ("encoder", "decoder", "predictor", "seaco_decoder")
_ENGLISH_PIECES = 1100
_ENGLISH_WORDS = 6000
_DROPOUT = {"dropout_rate": 0.1, "positional_dropout_rate": 0.1}
_SITE = Path(sysconfig.get_path("purelib"))


def main() -> None:
    parser = argparse.ArgumentParser(description="Models of the real size with random weights.")
    parser.add_argument("directory", type=Path)
    directory: Path = parser.parse_args().directory
    make_asr(directory / ASR)
    make_punctuation(directory / PUNCTUATION)
    make_vad(directory / VAD)


# -- recognition ------------------------------------------------------------------------------


def make_asr(directory: Path) -> None:
    """Seaco-Paraformer-large."""
    characters, english = _characters(), _english()
    pieces = _pieces(english)
    body = [*pieces, *characters[: _TOKENS - len(_SPECIAL) - 1 - len(pieces)]]
    random.Random(1).shuffle(body)
    tokens = [*_SPECIAL, *body, "<unk>"]
    assert len(set(tokens)) == _TOKENS

    configuration = _asr_configuration()
    parts = [f"{part}{end}" for part in _NETWORKS for end in ("", "_conf")]
    model = _model(
        "SeacoParaformer", 7, **{part: configuration[part] for part in parts},
        **configuration["model_conf"], input_size=560, vocab_size=_TOKENS,
    )  # fmt: skip
    with torch.no_grad():
        for name, weights in model.named_parameters():
            if weights.dim() >= 2 and not re.search("embed|fsmn|lstm", name):
                torch.nn.init.xavier_uniform_(weights)
        written = model.decoder.output_layer
        written.weight.mul_(3.0)
        written.bias.zero_()
        written.bias[[0, 1, 2, _TOKENS - 1]] = -100.0
        # Nearly always no hotword is heard.
        model.hotword_output_layer.bias.zero_()
        model.hotword_output_layer.bias[_NO_BIAS] = 30.0
        # Some four tokens a second.
        model.predictor.cif_output.weight.mul_(0.5)
        model.predictor.cif_output.bias.fill_(-1.15)
        model.predictor.cif_output2.bias.zero_()

    _write(
        directory, configuration, model, "auto-speech-recognition",
        {"tokenizer_conf": {"token_list": "tokens.json", "seg_dict_file": "seg_dict"},
         "frontend_conf": {"cmvn_file": "am.mvn"}},
        tokens,
    )  # fmt: skip
    (directory / "am.mvn").write_bytes((BUILTIN / "am.mvn").read_bytes())
    known = frozenset(pieces)
    words = {word: cut for word in english if (cut := _cut(word, known))}
    lines = [f"{word} {' '.join(cut)}" for word, cut in words.items()]
    lines += [f"{character} {character}" for character in body if len(character) == 1]
    (directory / "seg_dict").write_text("\n".join(lines) + "\n", "utf-8")


def _asr_configuration() -> dict[str, Any]:
    decoder = {
        "attention_heads": 4, "linear_units": 2048, "num_blocks": 16, **_DROPOUT,
        "self_attention_dropout_rate": 0.1, "src_attention_dropout_rate": 0.1,
        "att_layer_num": 16, "kernel_size": 11, "sanm_shfit": 0,
    }  # fmt: skip
    return {
        "model": "SeacoParaformer",
        "model_conf": {
            "ctc_weight": 0.0, "lsm_weight": 0.1, "length_normalized_loss": True,
            "predictor_weight": 1.0, "predictor_bias": 1, "sampling_ratio": 0.75,
            "inner_dim": 512, "bias_encoder_type": "lstm", "bias_encoder_bid": False,
            "seaco_lsm_weight": 0.1, "seaco_length_normal": True, "train_decoder": True,
            "NO_BIAS": _NO_BIAS,
        },
        "encoder": "SANMEncoder",
        "encoder_conf": _encoder(512, 4, 2048, 50),
        "decoder": "ParaformerSANMDecoder",
        "decoder_conf": decoder,
        "seaco_decoder": "ParaformerSANMDecoder",
        "seaco_decoder_conf": {
            **decoder, "linear_units": 1024, "num_blocks": 6, "att_layer_num": 6,
            "kernel_size": 21, "use_output_layer": False, "wo_input_layer": True,
        },
        "predictor": "CifPredictorV3",
        "predictor_conf": {
            "idim": 512, "threshold": 1.0, "l_order": 1, "r_order": 1, "tail_threshold": 0.45,
            "smooth_factor2": 0.25, "noise_threshold2": 0.01, "upsample_times": 3,
            "use_cif1_cnn": False, "upsample_type": "cnn_blstm",
        },
        "frontend": "WavFrontend",
        "frontend_conf": {
            "fs": 16000, "window": "hamming", "n_mels": 80, "frame_length": 25, "frame_shift": 10,
            "lfr_m": 7, "lfr_n": 6,
        },
        "specaug": "SpecAugLFR",
        "specaug_conf": {
            "apply_time_warp": False, "time_warp_window": 5, "time_warp_mode": "bicubic",
            "apply_freq_mask": True, "freq_mask_width_range": [0, 30], "lfr_rate": 6,
            "num_freq_mask": 1, "apply_time_mask": True, "time_mask_width_range": [0, 12],
            "num_time_mask": 1,
        },
        "tokenizer": "CharTokenizer",
        "tokenizer_conf": {"unk_symbol": "<unk>", "split_with_space": True},
        "ctc_conf": {
            "dropout_rate": 0.0, "ctc_type": "builtin", "reduce": True, "ignore_nan_grad": True,
        },
        "normalize": None,
    }  # fmt: skip


def _characters() -> list[str]:
    """Chinese characters, the most used ones first."""
    frequency: collections.Counter[str] = collections.Counter()
    for word, count in _dictionary():
        for character in word:
            if "\u4e00" <= character <= "\u9fa5":
                frequency[character] += count
    return [character for character, _ in frequency.most_common()]


def _dictionary() -> Iterator[tuple[str, int]]:
    """Jieba's words, which come with FunASR, and how often they are used."""
    for line in (_SITE / "jieba" / "dict.txt").read_text("utf-8").splitlines():
        word, count, _ = line.split(" ")
        yield word, int(count)


def _english() -> list[str]:
    """English words, the most used ones first: out of what is written about PyTorch."""
    files = sorted((_SITE / "torch" / "nn" / "modules").glob("*.py"))
    text = "\n".join(file.read_text("utf-8", "ignore") for file in files).lower()
    return [word for word, _ in collections.Counter(re.findall(r"[a-z]{2,14}", text)).most_common()]


def _pieces(english: list[str]) -> list[str]:
    """What English words are written with: letters, parts that are often used, whole words."""
    parts: collections.Counter[str] = collections.Counter()
    for word in english[:_ENGLISH_WORDS]:
        for length in (2, 3, 4):
            for begin in range(len(word) - length + 1):
                is_last = begin + length == len(word)
                parts[word[begin : begin + length] + ("" if is_last else "@@")] += 1
    return list(
        dict.fromkeys(
            [*_LETTERS, *(f"{letter}@@" for letter in _LETTERS),
             *(part for part, _ in parts.most_common(_ENGLISH_PIECES)),
             *(word for word in english[:450] if len(word) > 2)]
        )
    )  # fmt: skip


def _cut(word: str, pieces: frozenset[str]) -> list[str] | None:
    """The pieces of a word, the longest first; None where it cannot be written."""
    if word in pieces:
        return [word]
    found: list[str] = []
    at = 0
    while at < len(word):
        for end in range(min(len(word), at + 4), at, -1):
            piece = word[at:end] + ("" if end == len(word) else "@@")
            if piece in pieces:
                found.append(piece)
                at = end
                break
        else:
            return None
    return found


# -- punctuation ------------------------------------------------------------------------------


def make_punctuation(directory: Path) -> None:
    """ct-punc large."""
    known: dict[str, None] = dict.fromkeys(_SPECIAL)
    known.update(dict.fromkeys(_LETTERS))
    known.update(dict.fromkeys(_english()))
    known.update(dict.fromkeys(word for word, _ in _dictionary()))
    known.update(dict.fromkeys(f"word{number}" for number in range(_PUNCTUATION_TOKENS)))
    tokens = [*list(known)[: _PUNCTUATION_TOKENS - 1], "<unk>"]
    configuration = {
        "model": "CTTransformer",
        "model_conf": {
            "ignore_id": 0, "embed_unit": 516, "att_unit": 516, "dropout_rate": 0.1,
            "punc_list": ["<unk>", "_", "，", "。", "？", "、"], "punc_weight": [1.0] * 6,
            "sentence_end_id": 3,
        },
        "encoder": "SANMEncoder",
        "encoder_conf": {
            "input_size": 516, **_encoder(516, 12, 2048, 12), "padding_idx": 0,
        },
        "tokenizer": "CharTokenizer",
        "tokenizer_conf": {"unk_symbol": "<unk>"},
    }  # fmt: skip
    model = _model(
        "CTTransformer", 3, encoder=configuration["encoder"],
        encoder_conf=configuration["encoder_conf"], vocab_size=_PUNCTUATION_TOKENS,
        **configuration["model_conf"],
    )  # fmt: skip
    with torch.no_grad():
        # Some marks, never <unk>.
        model.decoder.bias.copy_(torch.tensor([-20.0, 1.2, 0.2, -0.3, -1.0, -1.0]))
    files = {"tokenizer_conf": {"token_list": "tokens.json"}}
    _write(directory, configuration, model, "punctuation", files, tokens)


# -- voice activity ---------------------------------------------------------------------------


def make_vad(directory: Path) -> None:
    """fsmn-vad."""
    configuration = {
        "frontend": "WavFrontendOnline",
        "frontend_conf": {
            "fs": 16000, "window": "hamming", "n_mels": 80, "frame_length": 25, "frame_shift": 10,
            "dither": 0.0, "lfr_m": 5, "lfr_n": 1,
        },
        "model": "FsmnVADStreaming",
        "model_conf": {
            "sample_rate": 16000, "detect_mode": 1, "snr_mode": 0, "max_end_silence_time": 800,
            "max_start_silence_time": 3000, "do_start_point_detection": True,
            "do_end_point_detection": True, "window_size_ms": 200, "sil_to_speech_time_thres": 150,
            "speech_to_sil_time_thres": 150, "speech_2_noise_ratio": 1.0, "do_extend": 1,
            "lookback_time_start_point": 200, "lookahead_time_end_point": 100,
            "max_single_segment_time": 60000, "snr_thres": -100.0,
            "noise_frame_num_used_for_snr": 100, "decibel_thres": -100.0,
            "speech_noise_thres": 0.6, "fe_prior_thres": 0.0001, "silence_pdf_num": 1,
            "sil_pdf_ids": [0], "speech_noise_thresh_low": -0.1, "speech_noise_thresh_high": 0.3,
            "output_frame_probs": False, "frame_in_ms": 10, "frame_length_ms": 25,
        },
        "encoder": "FSMN",
        "encoder_conf": {
            "input_dim": 400, "input_affine_dim": 140, "fsmn_layers": 4, "linear_dim": 250,
            "proj_dim": 128, "lorder": 20, "rorder": 0, "lstride": 1, "rstride": 0,
            "output_affine_dim": 140, "output_dim": 248,
        },
    }  # fmt: skip
    model = _model(
        "FsmnVADStreaming", 1, encoder=configuration["encoder"],
        encoder_conf=configuration["encoder_conf"], **configuration["model_conf"],
    )  # fmt: skip
    files = {"frontend_conf": {"cmvn_file": "am.mvn"}}
    _write(directory, configuration, model, "voice-activity-detection", files)
    # Five frames of 80 bands in place of the recogniser's seven.
    shift, scale = (
        " ".join(row.split()[:80] * 5)
        for row in re.findall(r"\[ ([^\]]{50,}) \]", (BUILTIN / "am.mvn").read_text("utf-8"))
    )
    (directory / "am.mvn").write_text(
        "<Nnet>\n<Splice> 400 400\n[ 0 ]\n"
        f"<AddShift> 400 400\n<LearnRateCoef> 0 [ {shift} ]\n"
        f"<Rescale> 400 400\n<LearnRateCoef> 0 [ {scale} ]\n</Nnet>\n",
        "utf-8",
    )


# -- what they share --------------------------------------------------------------------------


def _encoder(size: int, heads: int, units: int, blocks: int) -> dict[str, Any]:
    return {
        "output_size": size, "attention_heads": heads, "linear_units": units,
        "num_blocks": blocks, **_DROPOUT,
        "attention_dropout_rate": 0.1, "input_layer": "pe",
        "pos_enc_class": "SinusoidalPositionEncoder", "normalize_before": True,
        "kernel_size": 11, "sanm_shfit": 0, "selfattention_layer_type": "sanm",
    }  # fmt: skip


def _model(name: str, seed: int, **parts: Any) -> Any:
    """One of FunASR's, with weights drawn from this seed."""
    # Registers every class it has.
    import funasr

    torch.manual_seed(seed)
    model = funasr.register.tables.model_classes[name](**parts)
    model.eval()
    return model


def _write(
    directory: Path,
    configuration: dict[str, Any],
    model: Any,
    task: str,
    files: dict[str, Any],
    tokens: Iterable[str] = (),
) -> None:
    """A directory as it is published."""
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "config.yaml").write_text(
        yaml.safe_dump(configuration, sort_keys=False, allow_unicode=True), "utf-8"
    )
    published = {
        "framework": "pytorch", "task": task, "model": {"type": "funasr"},
        "pipeline": {"type": "funasr-pipeline"},
        "model_name_in_hub": {"ms": f"iic/{directory.name}", "hf": ""},
        "file_path_metas": {"init_param": "model.pt", "config": "config.yaml", **files},
    }  # fmt: skip
    (directory / "configuration.json").write_text(json.dumps(published, indent=2) + "\n", "utf-8")
    if tokens := list(tokens):
        listed = json.dumps(tokens, ensure_ascii=False, indent=0)
        (directory / "tokens.json").write_text(listed, "utf-8")
    fresh = directory / "model.pt.new"
    torch.save(model.state_dict(), fresh)
    fresh.replace(directory / "model.pt")
    count = sum(weights.numel() for weights in model.parameters())
    print(
        f"{directory.name}: {count / 1e6:.1f} M parameters, {fresh.name[:-4]} written", flush=True
    )


if __name__ == "__main__":
    main()
